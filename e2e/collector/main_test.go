package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"
)

const config = "../../otel-collector-config.yaml"

func TestFactories(t *testing.T) {
	f, err := factories()
	if err != nil {
		t.Fatal(err)
	}
	if f.Receivers[component.MustNewType("otlp")] == nil {
		t.Errorf("no otlp receiver: %v", f.Receivers)
	}
	for _, name := range []string{"memory_limiter", "batch"} {
		if f.Processors[component.MustNewType(name)] == nil {
			t.Errorf("no processor %s", name)
		}
	}
	for _, name := range []string{"debug", "file"} {
		if f.Exporters[component.MustNewType(name)] == nil {
			t.Errorf("no exporter %s", name)
		}
	}
	if f.Extensions[component.MustNewType("health_check")] == nil {
		t.Errorf("no health_check extension: %v", f.Extensions)
	}
}

// TestConfig reads the file with no variable set, as a user first does.
func TestConfig(t *testing.T) {
	for _, name := range []string{
		"OTLP_GRPC_ADDR", "OTLP_HTTP_ADDR", "HEALTH_CHECK_ADDR", "METRICS_FILE", "TRACES_FILE", "LOGS_FILE",
		"COLLECTOR_METRICS_HOST", "COLLECTOR_METRICS_PORT",
	} {
		t.Setenv(name, "") // so that it is restored
		os.Unsetenv(name)
	}
	if err := dryRun(t, config); err != nil {
		t.Fatal(err)
	}
}

func TestConfigRefused(t *testing.T) {
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new, want string }{
		{"unknown component", "\n  batch:", "\n  badge:", "badge"},
		{"unknown field", "verbosity:", "verbocity:", "verbocity"},
		{"undefined name in a pipeline", "exporters: [file/metrics,", "exporters: [file/metric,", "file/metric"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(string(good), tt.old, tt.new, 1)
			if bad == string(good) {
				t.Fatalf("%q is not in %s", tt.old, config)
			}
			path := filepath.Join(t.TempDir(), "bad.yaml")
			if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := dryRun(t, path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names %s", err, tt.want)
			}
		})
	}
}

func dryRun(t *testing.T, path string) error {
	t.Helper()
	s := settings()
	s.ConfigProviderSettings.ResolverSettings.URIs = []string{"file:" + path}
	c, err := otelcol.NewCollector(s)
	if err != nil {
		t.Fatal(err)
	}
	return c.DryRun(t.Context())
}
