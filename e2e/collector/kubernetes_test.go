package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.yaml.in/yaml/v3"
)

const cluster = "../../deploy/kubernetes/collector"

var gateway = []string{
	cluster + "/gateway/otel-collector-config.yaml", cluster + "/gateway/otel-collector-traces.yaml", cluster + "/gateway/gateway.yaml",
}

func TestGateway(t *testing.T) {
	if err := dryRun(t, gateway...); err != nil {
		t.Error(err)
	}
}

func TestGatewayRefused(t *testing.T) {
	good, err := os.ReadFile(gateway[2])
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new, want string }{
		{"no condition", "Len(datapoint.attributes) > 20", "Len(datapoint.attributes) >", "datapoint"},
		{"unknown function", "Len(datapoint.attributes)", "Length(datapoint.attributes)", "Length"},
		{"unknown field", "decision_wait:", "decision_waits:", "decision_waits"},
		{"undefined name", "[memory_limiter, tail_sampling]", "[memory_limiter, tail_sample]", "tail_sample"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := dryRun(t, append(gateway[:2:2], altered(t, good, tt.old, tt.new))...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names %s", err, tt.want)
			}
		})
	}
}

// TestGatewayRuns starts what the file says, since the policies are read only then.
func TestGatewayRuns(t *testing.T) {
	if err := run(t, gateway...); err != nil {
		t.Error(err)
	}
	good, err := os.ReadFile(gateway[2])
	if err != nil {
		t.Fatal(err)
	}
	bad := altered(t, good, "type: latency,", "type: slowness,")
	if err := run(t, append(gateway[:2:2], bad)...); err == nil || !strings.Contains(err.Error(), "slowness") {
		t.Errorf("error %v, want one that names slowness", err)
	}
}

// run starts a collector and ends it once it runs.
func run(t *testing.T, paths ...string) error {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"OTLP_GRPC_ADDR": "127.0.0.1:0", "OTLP_HTTP_ADDR": "127.0.0.1:0", "HEALTH_CHECK_ADDR": "127.0.0.1:0",
		"COLLECTOR_METRICS_HOST": "127.0.0.1", "COLLECTOR_METRICS_PORT": "0",
		"QUEUE_DIR": filepath.Join(dir, "queue"), "LOGS_FILE": filepath.Join(dir, "logs"), "TRACES_FILE": filepath.Join(dir, "traces"),
		"PROMETHEUS_OTLP_ENDPOINT": "http://127.0.0.1:1/api/v1/otlp", "TRACES_OTLP_ENDPOINT": "http://127.0.0.1:1", // nobody
	} {
		t.Setenv(name, value)
	}
	s := settings()
	s.DisableGracefulShutdown = true
	for _, path := range paths {
		s.ConfigProviderSettings.ResolverSettings.URIs = append(s.ConfigProviderSettings.ResolverSettings.URIs, "file:"+path)
	}
	c, err := otelcol.NewCollector(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			if c.GetState() == otelcol.StateRunning {
				cancel()
				<-ended // its own metrics have nowhere to go at the end, which it says
				return nil
			}
		}
	}
}

// altered writes a copy with one thing changed.
func altered(t *testing.T, good []byte, old, replaced string) string {
	t.Helper()
	bad := strings.Replace(string(good), old, replaced, 1)
	if bad == string(good) {
		t.Fatalf("%q is not in\n%s", old, good)
	}
	path := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAgent checks the agent's configuration but for load_balancing, whose module is
// served neither for this version nor for its neighbours. In its place is the exporter
// that it makes for each gateway, with what it is given for it; its own fields are
// held against a list.
func TestAgent(t *testing.T) {
	text, err := os.ReadFile(cluster + "/agent/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	const name = "load_balancing/traces"
	conf := confmap.NewFromStringMap(all)
	balancer, err := conf.Sub("exporters::" + name)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"routing_key", "resolver::dns::hostname", "resolver::dns::port", "resolver::dns::interval", "resolver::dns::timeout"}
	for _, key := range balancer.AllKeys() {
		if !slices.Contains(known, key) && !strings.HasPrefix(key, "protocol::otlp::") {
			t.Errorf("%s.%s is not known", name, key)
		}
	}
	if key := balancer.Get("routing_key"); key != "traceID" {
		t.Errorf("spans go by %v: a trace is on several gateways", key)
	}
	otlp, err := balancer.Sub("protocol::otlp")
	if err != nil {
		t.Fatal(err)
	}
	stand := otlp.ToStringMap()
	stand["endpoint"] = "otel-gateway-pods:4317"
	exporters := all["exporters"].(map[string]any)
	delete(exporters, name)
	exporters["otlp_grpc/traces"] = stand
	all["service"].(map[string]any)["pipelines"].(map[string]any)["traces"].(map[string]any)["exporters"] = []string{"otlp_grpc/traces"}
	text, err = yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NODE_NAME", "node-1")
	good := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(good, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dryRun(t, good); err != nil {
		t.Error(err)
	}
	for old, want := range map[string]string{"sending_queue:": "sending_queues", "max_connection_age:": "max_connection_ages"} {
		if err := dryRun(t, altered(t, text, old, strings.TrimSuffix(old, ":")+"s:")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that names %s", err, want)
		}
	}
}
