package e2e

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestCollectorDoors: the collector also accepts OTLP over HTTP, and shows its own metrics to curl.
func TestCollectorDoors(t *testing.T) {
	addrs, dir := servers.FreeAddrs(t, 3), t.TempDir()
	_, port, err := net.SplitHostPort(addrs[2])
	if err != nil {
		t.Fatal(err)
	}
	collector := servers.Collector(t, "..", addrs[0], dir, []string{"OTLP_HTTP_ADDR=" + addrs[1], "COLLECTOR_METRICS_PORT=" + port})
	const span = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"by HTTP","startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}`
	res, err := servers.Client.Post("http://"+addrs[1]+"/v1/traces", "application/json", bytes.NewReader([]byte(span)))
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("OTLP over HTTP: %s", res.Status)
	}
	if code, _, body, err := ask(http.MethodGet, "http://"+addrs[2]+"/metrics", ""); code != http.StatusOK || !bytes.Contains(body, []byte("otelcol_receiver_accepted_spans")) {
		t.Errorf("the collector's own metrics: %d %v %.200s", code, err, body)
	}
	collector.Stop() // 0, or 1 because there is no Prometheus for its last metrics
	if text, err := os.ReadFile(filepath.Join(dir, "traces.jsonl")); !bytes.Contains(text, []byte("by HTTP")) {
		t.Errorf("the traces: %s %v", text, err)
	}
}
