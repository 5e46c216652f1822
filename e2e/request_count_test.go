package e2e

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestNofN: N requests give N requests in the metrics and N in the traces behind a real collector,
// for each status code. The shutdown loses nothing, and nothing else is counted.
func TestNofN(t *testing.T) {
	t.Run("periodic exports", func(t *testing.T) { // many cumulative points; the last one counts
		nOfN(t, "OTEL_METRIC_EXPORT_INTERVAL=200", "OTEL_BSP_SCHEDULE_DELAY=200")
	})
	t.Run("final export", func(t *testing.T) { // no timer fires, so only the final export sends data
		nOfN(t, "OTEL_METRIC_EXPORT_INTERVAL=3600000", "OTEL_BSP_SCHEDULE_DELAY=3600000")
	})
	t.Run("as deltas", func(t *testing.T) { // the shipped collector adds them up
		nOfN(t, "OTEL_METRIC_EXPORT_INTERVAL=200", "OTEL_BSP_SCHEDULE_DELAY=200", prefersDelta)
	})
	t.Run("over HTTP", func(t *testing.T) {
		nOfN(t, "OTEL_METRIC_EXPORT_INTERVAL=200", "OTEL_BSP_SCHEDULE_DELAY=200", overHTTP, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip")
	})
}

const overHTTP = "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"

func nOfN(t *testing.T, env ...string) {
	seed := uint64(time.Now().UnixNano())
	n := 500 + rand.New(rand.NewPCG(seed, 0)).IntN(501)
	t.Logf("seed %d: %d requests", seed, n)

	dir := t.TempDir()
	addrs := servers.FreeAddrs(t, 2)
	collector := servers.Collector(t, "..", addrs[0], dir, []string{"OTLP_HTTP_ADDR=" + addrs[1]}, "testdata/metrics-file.yaml")
	endpoint := addrs[0]
	if slices.Contains(env, overHTTP) {
		endpoint = addrs[1]
	}
	d := startDemo(t, append(env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+endpoint),
		"-load", "0", "-queue", "2000", "-drain", "0s") // a queue so long that it is never full
	d.WaitOK(d.app + "/ready")

	sent := send(t, d, n, seed)
	d.end()
	if code := collector.Stop(); code != 0 {
		t.Errorf("the collector's exit code is %d", code)
	}
	if t.Failed() {
		return // the number of sent requests is unknown
	}

	counted, total := map[int]int{}, 0
	for key, p := range lastPoints(t, messages(t, filepath.Join(dir, "metrics.jsonl")), "http.server.request.duration") {
		code, err := strconv.Atoi(value(p.Attributes, "http.response.status_code"))
		if err != nil {
			t.Errorf("a series without a status code: %s", key)
		}
		counted[code] += int(p.Count)
		total += int(p.Count)
	}
	if total != n || !maps.Equal(counted, sent) {
		t.Errorf("metrics count %d requests, by code %v; want %d, %v", total, counted, n, sent)
	}

	traced, ids := map[int]int{}, map[string]bool{}
	for _, s := range spans(messages(t, filepath.Join(dir, "traces.jsonl"))) {
		switch path := value(s.Attributes, "url.path"); path {
		case "/health", "/ready", "/startup":
			t.Errorf("the probe %[2]s has a span %[1]q", s.Name, path)
		}
		if s.Kind != serverKind {
			continue
		}
		if s.SpanID == "" || ids[s.SpanID] {
			t.Errorf("span id %q is empty or a duplicate", s.SpanID)
		}
		ids[s.SpanID] = true
		code, err := strconv.Atoi(value(s.Attributes, "http.response.status_code"))
		if err != nil {
			t.Errorf("span %s has no status code", s.SpanID)
		}
		traced[code]++
	}
	if len(ids) != n || !maps.Equal(traced, sent) {
		t.Errorf("traces have %d requests, by code %v; want %d, %v", len(ids), traced, n, sent)
	}
	t.Logf("sent, in metrics and in traces, by code: %v, %v, %v", sent, counted, traced)
}

// startCollector starts a collector that writes everything to files in dir. Its Prometheus is away.
func startCollector(t *testing.T, dir string) (p *servers.Process, endpoint string) {
	t.Helper()
	addr := servers.FreeAddrs(t, 1)[0]
	return servers.Collector(t, "..", addr, dir, nil, "testdata/metrics-file.yaml"), "http://" + addr
}

// kinds are the kinds of requests and their expected answers.
var kinds = []struct {
	method, path, body string
	code               int
}{
	{http.MethodPost, "/jobs", `{"input":"n of n"}`, http.StatusAccepted}, // must be first, because the next kind asks for its jobs
	{http.MethodPost, "/jobs", `{"input":`, http.StatusBadRequest},
	{http.MethodGet, "/jobs/unknown", "", http.StatusNotFound},
	{http.MethodGet, "/nowhere", "", http.StatusNotFound},
	{http.MethodGet, "", "", http.StatusOK}, // one of the created jobs
	{http.MethodGet, "/panic", "", http.StatusInternalServerError},
}
