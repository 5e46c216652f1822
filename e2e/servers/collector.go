package servers

import (
	"net"
	"path/filepath"
	"testing"
)

// CollectorAddrs are where a collector listens.
type CollectorAddrs struct{ GRPC, HTTP, Health, Metrics string }

// CollectorConfig is the configuration that the repository in root ships.
func CollectorConfig(root string) string { return filepath.Join(root, "otel-collector-config.yaml") }

// CollectorEnv is what the shipped configuration takes from the environment: where to
// listen, where Prometheus is, and a directory for everything that is kept.
func CollectorEnv(at CollectorAddrs, prometheus, dir string) ([]string, error) {
	host, port, err := net.SplitHostPort(at.Metrics)
	return []string{
		"OTLP_GRPC_ADDR=" + at.GRPC,
		"OTLP_HTTP_ADDR=" + at.HTTP,
		"HEALTH_CHECK_ADDR=" + at.Health,
		"COLLECTOR_METRICS_HOST=" + host,
		"COLLECTOR_METRICS_PORT=" + port,
		"PROMETHEUS_OTLP_ENDPOINT=http://" + prometheus + "/api/v1/otlp",
		"QUEUE_DIR=" + filepath.Join(dir, "queue"),
		"METRICS_FILE=" + filepath.Join(dir, "metrics.jsonl"),
		"TRACES_FILE=" + filepath.Join(dir, "traces.jsonl"),
		"LOGS_FILE=" + filepath.Join(dir, "logs.jsonl"),
	}, err
}

// Collector starts the collector with the configuration that the repository in root
// ships, and others merged over it. It takes OTLP over gRPC at addr and keeps
// everything in dir: started there again, it goes on with its queue. Unless env has
// PROMETHEUS_OTLP_ENDPOINT there is no Prometheus.
func Collector(t testing.TB, root, addr, dir string, env []string, configs ...string) *Process {
	t.Helper()
	free := FreeAddrs(t, 4)
	shipped, err := CollectorEnv(CollectorAddrs{GRPC: addr, HTTP: free[0], Health: free[1], Metrics: free[2]}, free[3], dir)
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, path := range append([]string{CollectorConfig(root)}, configs...) {
		args = append(args, "--config", absolute(t, path))
	}
	p := Start(t, Server(t, root, "collector"), append(shipped, env...), args...)
	p.WaitOK("http://" + free[1])
	return p
}
