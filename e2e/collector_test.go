package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
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

// TestManySeries: 19,000 histograms, some 7 MB, arrive complete.
func TestManySeries(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			dir, addrs := t.TempDir(), servers.FreeAddrs(t, 2)
			collector := servers.Collector(t, "..", addrs[0], dir, []string{"OTLP_HTTP_ADDR=" + addrs[1]}, "testdata/metrics-file.yaml")
			endpoint := map[string]string{"grpc": addrs[0], "http/protobuf": addrs[1]}[protocol]
			p := servers.Start(t, servers.ManySeries(t, ".."), []string{
				"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol, "OTEL_METRIC_EXPORT_INTERVAL=3600000",
			})
			if code := p.Wait(); code != 0 {
				t.Fatalf("exit code %d: %s", code, p.Output())
			}
			if code := collector.Stop(); code != 0 {
				t.Errorf("the collector's exit code is %d", code)
			}
			list := messages(t, filepath.Join(dir, "metrics.jsonl"))
			if len(list) < 3 {
				t.Errorf("%d requests", len(list))
			}
			for n := range 10 {
				if got := lastPoints(t, list, fmt.Sprintf("many.%d", n)); len(got) != 1900 {
					t.Errorf("many.%d has %d series", n, len(got))
				}
			}
		})
	}
}

// TestLargeMessage: the collector takes requests of senders that don't cut them. By default it
// refuses more than 4 MiB by gRPC.
func TestLargeMessage(t *testing.T) {
	addrs := servers.FreeAddrs(t, 2)
	servers.Collector(t, "..", addrs[0], t.TempDir(), []string{"OTLP_HTTP_ADDR=" + addrs[1]}, "testdata/metrics-file.yaml")
	const size = 12 << 20
	request := append(binary.AppendUvarint([]byte{15<<3 | 2}, size), make([]byte, size)...) // one field that no message knows
	framed := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request))), request...)
	overHTTP2 := &http.Transport{Protocols: new(http.Protocols)}
	overHTTP2.Protocols.SetUnencryptedHTTP2(true)
	defer overHTTP2.CloseIdleConnections()
	for _, c := range []struct {
		url, kind string
		body      []byte
		client    http.Client
		trailer   string
	}{
		{"http://" + addrs[0] + "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "application/grpc", framed, http.Client{Transport: overHTTP2}, "0"},
		{"http://" + addrs[1] + "/v1/metrics", "application/x-protobuf", request, *servers.Client, ""},
	} {
		res, err := c.client.Post(c.url, c.kind, bytes.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || res.Trailer.Get("Grpc-Status") != c.trailer {
			t.Errorf("%s: %s %q %v %v", c.kind, res.Status, answer, res.Trailer, err)
		}
	}
}
