package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"
)

const (
	config = "../../otel-collector-config.yaml"
	traces = "../../otel-collector-traces.yaml" // merged over main
)

func TestFactories(t *testing.T) {
	f, err := factories()
	if err != nil {
		t.Fatal(err)
	}
	if f.Receivers[component.MustNewType("otlp")] == nil {
		t.Errorf("no otlp receiver: %v", f.Receivers)
	}
	if f.Processors[component.MustNewType("memory_limiter")] == nil {
		t.Errorf("no memory_limiter: %v", f.Processors)
	}
	for _, name := range []string{"file", "load_balancing", "otlp_grpc", "otlp_http"} {
		if f.Exporters[component.MustNewType(name)] == nil {
			t.Errorf("no exporter %s", name)
		}
	}
	for _, name := range []string{"file_storage", "health_check"} {
		if f.Extensions[component.MustNewType(name)] == nil {
			t.Errorf("no extension %s", name)
		}
	}
}

// TestConfig reads the files with no variable set, as a new user does.
func TestConfig(t *testing.T) {
	for _, name := range []string{
		"OTLP_GRPC_ADDR", "OTLP_HTTP_ADDR", "HEALTH_CHECK_ADDR", "QUEUE_DIR", "TRACES_FILE", "LOGS_FILE",
		"PROMETHEUS_OTLP_ENDPOINT", "TRACES_OTLP_ENDPOINT",
		"COLLECTOR_METRICS_INTERVAL", "COLLECTOR_METRICS_HOST", "COLLECTOR_METRICS_PORT",
	} {
		t.Setenv(name, "") // Setenv restores it after the test
		os.Unsetenv(name)
	}
	for _, files := range [][]string{{config}, {config, traces}} {
		if err := dryRun(t, files...); err != nil {
			t.Errorf("%v: %v", files, err)
		}
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{"processors: [memory_limiter": 3, "processors: [memory_limiter, deltatocumulative]": 1, "max_elapsed_time: 0": 1, "storage: file_storage": 1} {
		if n := strings.Count(string(text), want); n != times {
			t.Errorf("the files have %q %d times, want %d", want, n, times)
		}
	}
	if dryRun(t, traces) == nil {
		t.Errorf("%s works alone, but it should need the first file", traces)
	}
}

func TestConfigRefused(t *testing.T) {
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new, want string }{
		{"unknown component", "\n  memory_limiter:", "\n  memory_miter:", "memory_miter"},
		{"unknown field", "num_consumers:", "mum_consumers:", "mum_consumers"},
		{"unknown field of the deltas", "max_streams:", "most_streams:", "most_streams"},
		{"undefined name in a pipeline", "exporters: [file/traces]", "exporters: [file/trace]", "file/trace"},
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

func dryRun(t *testing.T, paths ...string) error {
	t.Helper()
	s := settings()
	for _, path := range paths {
		s.ConfigProviderSettings.ResolverSettings.URIs = append(s.ConfigProviderSettings.ResolverSettings.URIs, "file:"+path)
	}
	c, err := otelcol.NewCollector(s)
	if err != nil {
		t.Fatal(err)
	}
	return c.DryRun(t.Context())
}
