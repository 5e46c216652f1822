package servers

import (
	"net"
	"path/filepath"
	"testing"
)

// CollectorAddrs are the addresses on which a collector listens.
type CollectorAddrs struct{ GRPC, HTTP, Health, Metrics string }

// CollectorConfig returns the shipped configuration of the repository in root.
func CollectorConfig(root string) string { return filepath.Join(root, "otel-collector-config.yaml") }

// CollectorEnv returns the variables of the shipped configuration: its addresses, Prometheus'
// address, and a directory for its files.
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

// Collector starts a collector with the shipped configuration of the repository in root, and merges
// other files over it. It listens at addr for OTLP over gRPC and keeps its files in dir. If it
// starts again with the same dir, it continues with its queue. Without PROMETHEUS_OTLP_ENDPOINT in
// env there is no Prometheus.
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
