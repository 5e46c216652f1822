package servers

import (
	"net"
	"path/filepath"
	"testing"
)

// Collector starts the collector with the configuration that the repository in root
// ships, and others merged over it. It takes OTLP over gRPC at addr and keeps
// everything in dir: started there again, it goes on with its queue. Unless env has
// PROMETHEUS_OTLP_ENDPOINT there is no Prometheus.
func Collector(t testing.TB, root, addr, dir string, env []string, configs ...string) *Process {
	t.Helper()
	free := FreeAddrs(t, 4)
	host, port, err := net.SplitHostPort(free[2])
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, path := range append([]string{filepath.Join(root, "otel-collector-config.yaml")}, configs...) {
		args = append(args, "--config", absolute(t, path))
	}
	p := Start(t, server(t, root, "collector"), append([]string{
		"OTLP_GRPC_ADDR=" + addr,
		"OTLP_HTTP_ADDR=" + free[0],
		"HEALTH_CHECK_ADDR=" + free[1],
		"COLLECTOR_METRICS_HOST=" + host,
		"COLLECTOR_METRICS_PORT=" + port,
		"PROMETHEUS_OTLP_ENDPOINT=http://" + free[3] + "/api/v1/otlp",
		"QUEUE_DIR=" + filepath.Join(dir, "queue"),
		"METRICS_FILE=" + filepath.Join(dir, "metrics.jsonl"),
		"TRACES_FILE=" + filepath.Join(dir, "traces.jsonl"),
		"LOGS_FILE=" + filepath.Join(dir, "logs.jsonl"),
	}, env...), args...)
	p.WaitOK("http://" + free[1])
	return p
}
