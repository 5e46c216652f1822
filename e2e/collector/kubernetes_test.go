package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/otelcol"
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
		{"unknown field of a connection", "max_connection_age:", "max_connection_ages:", "max_connection_ages"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := dryRun(t, append(gateway[:2:2], altered(t, good, tt.old, tt.new))...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names %s", err, tt.want)
			}
		})
	}
}

// TestGatewayRuns starts the gateway's configuration, because the collector reads the policies only
// at start.
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

// run starts a collector, waits until it runs, and ends it.
func run(t *testing.T, paths ...string) error {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"OTLP_GRPC_ADDR": "127.0.0.1:0", "OTLP_HTTP_ADDR": "127.0.0.1:0", "HEALTH_CHECK_ADDR": "127.0.0.1:0",
		"COLLECTOR_METRICS_HOST": "127.0.0.1", "COLLECTOR_METRICS_PORT": "0",
		"QUEUE_DIR": filepath.Join(dir, "queue"), "LOGS_FILE": filepath.Join(dir, "logs"), "TRACES_FILE": filepath.Join(dir, "traces"),
		"PROMETHEUS_OTLP_ENDPOINT": "http://127.0.0.1:1/api/v1/otlp", "TRACES_OTLP_ENDPOINT": "http://127.0.0.1:1", // nothing listens there
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
				<-ended // it may report that its own last metrics had no destination
				return nil
			}
		}
	}
}

// altered writes a copy with one change.
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

// TestAgent checks the agent's configuration.
func TestAgent(t *testing.T) {
	t.Setenv("NODE_NAME", "node-1")
	good, err := os.ReadFile(cluster + "/agent/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := agent(t, good, "NODE_NAME", "NODE_NAME"); err != nil {
		t.Error(err)
	}
	tests := []struct{ name, old, new, want string }{
		{"another routing key", "routing_key: traceID", "routing_key: metric", "routing_key"},
		{"unknown field of the balancer", "routing_key:", "routing_keys:", "routing_keys"},
		{"unknown field of its resolver", "hostname: otel-gateway-pods", "host: otel-gateway-pods", "host"},
		{"no hostname", "hostname: otel-gateway-pods", "hostname: ''", "hostname"},
		{"two resolvers", "resolver:\n", "resolver:\n      static: { hostnames: [gateway] }\n", "only one resolver"},
		{"unknown field of the exporter", "sending_queue:", "sending_queues:", "sending_queues"},
		{"unknown field of its protocol", "        tls: { insecure: true }", "        tsl: { insecure: true }", "tsl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := agent(t, good, tt.old, tt.new); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names %s", err, tt.want)
			}
		})
	}
}

// agent reads an agent's configuration with one change.
func agent(t *testing.T, good []byte, old, replaced string) error {
	t.Helper()
	changed := strings.Replace(string(good), old, replaced, 1)
	if changed == string(good) && old != replaced {
		t.Fatalf("%q is not in\n%s", old, good)
	}
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	s := settings()
	s.ConfigProviderSettings.ResolverSettings.URIs = []string{"file:" + path}
	c, err := otelcol.NewCollector(s)
	if err != nil {
		t.Fatal(err)
	}
	return c.DryRun(t.Context())
}
