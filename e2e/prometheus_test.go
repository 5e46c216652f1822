package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// prometheus is a running Prometheus.
type prometheus struct {
	*servers.Process
	t   *testing.T
	url string
}

func startPrometheus(t *testing.T, addr, dir string) prometheus {
	t.Helper()
	return prometheus{servers.Prometheus(t, "..", addr, dir), t, "http://" + addr}
}

// laidOut copies the shipped configuration and rules into dir, as Prometheus expects them. change
// edits the rules.
func laidOut(t testing.TB, dir string, change func(rules string) string) (config string) {
	t.Helper()
	files, err := filepath.Glob("../grafana/alerts/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, path := range append(files, "../prometheus.yaml") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, strings.TrimPrefix(filepath.ToSlash(path), "../"))
		if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
			t.Fatal(err)
		}
		if path != "../prometheus.yaml" {
			text = []byte(change(string(text)))
		}
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "prometheus.yaml")
}

// get queries the API and decodes the answer's data.
func (p prometheus) get(path string, query url.Values, data any) {
	p.t.Helper()
	code, _, body, err := ask(http.MethodGet, p.url+"/api/v1/"+path+"?"+query.Encode(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	answer := struct {
		Warnings []string
		Data     any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil || code != http.StatusOK || len(answer.Warnings) != 0 {
		p.t.Fatalf("%s %v: %d %s", path, query, code, body)
	}
}

// query returns the current vector of a query.
func (p prometheus) query(promql string) (samples []sample) {
	p.t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	p.get("query", url.Values{"query": {promql}}, &data)
	for _, r := range data.Result {
		s := sample{name: r.Metric["__name__"], labels: r.Metric, value: fmt.Sprint(r.Value[1])}
		delete(s.labels, "__name__")
		samples = append(samples, s)
	}
	return samples
}

// history is a series with its samples, oldest first.
type history struct {
	sample
	points []datum
}

type datum struct {
	at    time.Time
	value string
}

// raw returns the raw samples of a range selector.
func (p prometheus) raw(promql string) (list []history) {
	p.t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Values [][2]any
		}
	}
	p.get("query", url.Values{"query": {promql}}, &data)
	for _, r := range data.Result {
		h := history{sample: sample{name: r.Metric["__name__"], labels: r.Metric}}
		for _, v := range r.Values {
			h.points = append(h.points, datum{time.UnixMilli(int64(math.Round(v[0].(float64) * 1e3))), fmt.Sprint(v[1])})
		}
		list = append(list, h)
	}
	return list
}

// eventually waits until a query returns the wanted result.
func (p prometheus) eventually(what, promql string, ok func([]sample) bool) {
	p.t.Helper()
	servers.Poll(p.t, what, func() error {
		if got := p.query(promql); !ok(got) {
			return fmt.Errorf("%s returns %v", promql, got)
		}
		return nil
	})
}

// TestPrometheus checks the data behind the collector with both shipped configurations: the
// verdict, its resource, and no duplicates.
func TestPrometheus(t *testing.T) {
	p, endpoint, dir := startPipeline(t)
	start := func(instance string) *demo {
		return startDemo(t, append(soon,
			"OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint,
			"OTEL_SERVICE_NAME=orders",
			"OTEL_RESOURCE_ATTRIBUTES=service.namespace=shop,service.instance.id="+instance+",k8s.pod.name="+instance+",vcs.ref.head.revision=abc",
		), "-load", "20", "-drain", "0s")
	}
	demos := map[string]*demo{"pod-1": start("pod-1"), "pod-2": start("pod-2")}
	sick := demos["pod-1"]

	same := func(when string) {
		t.Helper()
		for instance, d := range demos {
			servers.Poll(t, fmt.Sprintf("%s, Prometheus has for %s the states of /ready", when, instance), func() error {
				ready := d.probe("/ready?verbose").states()
				got := states(t, p.query(`{__name__=~"health_(check|probe)_status", job="shop/orders", instance="`+instance+`"}`))
				if !maps.Equal(got, ready) {
					return fmt.Errorf("Prometheus: %v\n/ready: %v", got, ready)
				}
				return nil
			})
		}
	}
	readiness := func(instance, pass, fail string) {
		t.Helper()
		for state, want := range map[string]string{"pass": pass, "fail": fail} {
			q := fmt.Sprintf(`health_probe_status{job="shop/orders", instance=%q, health_probe_name="readiness", health_probe_state=%q}`, instance, state)
			if got := p.query(q); len(got) != 1 || got[0].value != want {
				t.Errorf("%s returns %v, want %s", q, got, want)
			}
		}
	}
	for _, d := range demos {
		d.until("the demo is ready", passing)
	}
	same("at first")
	readiness("pod-1", "1", "0")
	sick.fault(http.MethodPut, "database-down")
	sick.until("the database check fails", failing("database"))
	same("without a database")
	readiness("pod-1", "0", "1")
	readiness("pod-2", "1", "0")
	sick.fault(http.MethodDelete, "database-down")
	sick.until("the database check passes", passing)
	same("with a database")
	readiness("pod-1", "1", "0")

	t.Run("identity", func(t *testing.T) {
		for instance := range demos {
			who := fmt.Sprintf(`{job="shop/orders", instance=%q}`, instance)
			info := p.query("target_info" + who)
			if len(info) != 1 || info[0].labels["vcs_ref_head_revision"] != "abc" || info[0].labels["telemetry_sdk_language"] != "go" ||
				info[0].labels["service_version"] == "" {
				t.Errorf("target_info%s: %v", who, info)
			}
			for _, s := range p.query("health_probe_status" + who) {
				for name, want := range map[string]string{
					"service_name": "orders", "service_namespace": "shop", "service_instance_id": instance, "k8s_pod_name": instance,
					"vcs_ref_head_revision": "",
				} {
					if got := s.labels[name]; got != want {
						t.Errorf("%s=%q, want %q in %v", name, got, want, s)
					}
				}
			}
		}
	})
	t.Run("once", func(t *testing.T) {
		// Prometheus has exactly the series of the process's /metrics, beside what the rules record. No
		// other job has series with these names.
		for instance, d := range demos {
			servers.Poll(t, "Prometheus has the series of "+instance, func() error {
				own := identities(d.metrics())
				return difference(own, identities(p.query(fmt.Sprintf(`{job="shop/orders", instance=%q, __name__!~".*:.*"}`, instance))))
			})
		}
		var names []string
		for _, s := range sick.metrics() {
			if s.name != "target_info" && !slices.Contains(names, s.name) {
				names = append(names, s.name)
			}
		}
		q := fmt.Sprintf(`count by (job, instance) ({__name__=~%q})`, strings.Join(names, "|"))
		if got := p.query(q); len(got) != len(demos) {
			t.Errorf("%s: %v, want one for each of the %d instances", q, got, len(demos))
		}
		if got := p.query("up"); len(got) != 0 {
			t.Errorf("Prometheus scrapes something: %v", got)
		}
	})
	t.Run("collector", func(t *testing.T) {
		p.eventually("the collector exports its own metrics", "otelcol_exporter_sent_metric_points_total > 0", func(got []sample) bool {
			return len(got) == 1 && got[0].labels["job"] == "otel-collector" && got[0].labels["exporter"] == "otlp_http/prometheus"
		})
		p.eventually("the collector exports the size of its queue", "otelcol_exporter_queue_capacity", func(got []sample) bool { return len(got) == 1 })
		if got := p.query(`count by (job, instance) ({__name__=~"otelcol_.*"})`); len(got) != 1 {
			t.Errorf("want one collector, got %v", got)
		}
	})
	t.Run("exemplar", func(t *testing.T) {
		servers.Poll(t, "an exemplar of a bucket names an exported trace", func() error {
			var data []struct {
				Exemplars []struct{ Labels map[string]string }
			}
			p.get("query_exemplars", url.Values{"query": {"http_server_request_duration_seconds_bucket"}}, &data)
			traced := map[string]bool{}
			for _, s := range spans(messages(t, filepath.Join(dir, "traces.jsonl"))) {
				traced[s.TraceID] = true
			}
			for _, series := range data {
				for _, e := range series.Exemplars {
					if traced[e.Labels["trace_id"]] {
						return nil
					}
				}
			}
			return fmt.Errorf("no match among %d series with exemplars and %d traces", len(data), len(traced))
		})
	})
	for _, d := range demos {
		d.end()
	}
}

// TestTraceStore sends traces to a store with the second shipped configuration. Another collector stands in
// for the store, because both receive OTLP.
func TestTraceStore(t *testing.T) {
	dir, addrs := t.TempDir(), servers.FreeAddrs(t, 2)
	servers.Collector(t, "..", addrs[0], dir, nil, "testdata/metrics-file.yaml")
	between := t.TempDir()
	collector := servers.Collector(t, "..", addrs[1], between, []string{"TRACES_OTLP_ENDPOINT=http://" + addrs[0]},
		"testdata/metrics-file.yaml", "../otel-collector-traces.yaml")
	d := startDemo(t, append(soon, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+addrs[1]), "-load", "0", "-queue", "2000", "-drain", "0s")
	d.WaitOK(d.app + "/ready")
	const n = 100
	send(t, d, n, 1)
	d.end()
	servers.Poll(t, "the store has the requests", func() error {
		got := 0
		for _, s := range spans(messages(t, filepath.Join(dir, "traces.jsonl"))) {
			if s.Kind == serverKind {
				got++
			}
		}
		if got != n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
	if code := collector.Stop(); code != 0 {
		t.Errorf("the collector's exit code is %d", code)
	}
	if _, err := os.Stat(filepath.Join(between, "traces.jsonl")); err == nil {
		t.Error("the collector's file has traces, too")
	}
}

// soon makes the SDK export very often.
var soon = []string{"OTEL_METRIC_EXPORT_INTERVAL=500", "OTEL_BSP_SCHEDULE_DELAY=200"}

// startPipeline starts a collector and its Prometheus. The collector's files are in dir.
func startPipeline(t *testing.T) (p prometheus, endpoint, dir string) {
	t.Helper()
	addrs, dir := servers.FreeAddrs(t, 2), t.TempDir()
	p = startPrometheus(t, addrs[1], t.TempDir())
	servers.Collector(t, "..", addrs[0], dir, []string{
		"PROMETHEUS_OTLP_ENDPOINT=" + p.url + "/api/v1/otlp",
		"COLLECTOR_METRICS_INTERVAL=500",
	})
	return p, "http://" + addrs[0], dir
}

// identities counts series without the labels that depend on the path.
func identities(samples []sample) map[string]int {
	found := map[string]int{}
	for _, s := range samples {
		var parts []string
		for name, value := range s.labels {
			switch {
			case name == "job", name == "instance", strings.HasPrefix(name, "service_"), strings.HasPrefix(name, "k8s_"), strings.HasPrefix(name, "otel_scope_"):
			default:
				parts = append(parts, fmt.Sprintf("%s=%q", name, value))
			}
		}
		if s.name == "target_info" { // another test checks it, because its labels depend on the promoted attributes
			continue
		}
		slices.Sort(parts)
		found[s.name+"{"+strings.Join(parts, ",")+"}"]++
	}
	return found
}

// difference returns nil if both have the same series, once each.
func difference(metrics, prom map[string]int) error {
	var wrong []string
	for series, times := range metrics {
		if times != 1 || prom[series] != 1 {
			wrong = append(wrong, fmt.Sprintf("%s: %d times at /metrics, %d in Prometheus", series, times, prom[series]))
		}
	}
	for series, times := range prom {
		if metrics[series] == 0 {
			wrong = append(wrong, fmt.Sprintf("%s: not at /metrics, %d times in Prometheus", series, times))
		}
	}
	if len(metrics) == 0 {
		wrong = append(wrong, "no series")
	}
	if wrong == nil {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("%d series differ:\n%s", len(wrong), strings.Join(wrong[:min(len(wrong), 20)], "\n"))
}
