package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestOutage kills the collector and Prometheus in turn under steady load, and stops the demo while
// Prometheus is away. All N requests must be in Prometheus and in the traces. All failed runs of a
// check must be there, too. Prometheus' outage must leave no gap in any series.
func TestOutage(t *testing.T) {
	const export = 2 * time.Second // long enough for a slow machine to export without a gap
	outage := lasting(6*export, 10*time.Minute)
	// health_check_value may be missing. Series with a colon in their name, and ALERTS, are made by Prometheus
	// itself. It makes none while it is away, and after a restart it makes them at other times.
	const exported = `{job="demo", __name__!~"health_check_value|.*:.*|ALERTS|ALERTS_FOR_STATE"}`
	addrs, dir, data := servers.FreeAddrs(t, 2), t.TempDir(), t.TempDir()
	startCollector := func() *servers.Process {
		return servers.Collector(t, "..", addrs[0], dir, []string{"PROMETHEUS_OTLP_ENDPOINT=http://" + addrs[1] + "/api/v1/otlp"})
	}
	p, collector := startPrometheus(t, addrs[1], data), startCollector()
	d := startDemo(t, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + addrs[0],
		fmt.Sprintf("OTEL_METRIC_EXPORT_INTERVAL=%d", export.Milliseconds()),
		"OTEL_GO_X_OBSERVABILITY=true", // the SDK's metrics count dropped spans
	}, "-load", "0", "-queue", "20000", "-drain", "0s")
	d.WaitOK(d.app + "/ready")
	client := startClient(d, lasting(100*time.Millisecond, 500*time.Millisecond)) // a queue of spans lasts for 25 s; one file has room for all
	arriving := func(what string) {
		t.Helper()
		since := time.Now()
		p.eventually(what, "max(timestamp(health_probe_status))", func(got []sample) bool {
			return len(got) == 1 && seconds(t, got[0].value).After(since)
		})
	}
	arriving("metrics are in Prometheus")
	d.fault("PUT", "database-down")
	d.until("the database check fails", failing("database"))

	collector.Kill()
	killed := time.Now()
	time.Sleep(lasting(5*time.Second, 30*time.Second)) // a real wait, because the test is about this time; exports of spans are retried for a minute
	back := time.Now()
	collector = startCollector()
	arriving("the collector has come back")

	p.Kill()
	away := time.Now()
	time.Sleep(outage)
	p = startPrometheus(t, addrs[1], data)
	arriving("Prometheus has come back")
	whole := func(when string) {
		t.Helper()
		widest, most := p.widest(exported, away.Add(-export))
		t.Logf("%s, the longest gap between two samples is %v, in %s", when, most, widest)
		if most > 2*export {
			t.Errorf("the gap is more than twice %v", export)
		}
	}
	// The queue is in order. If newer data has arrived, the old data has, too.
	whole("after Prometheus' outage")

	d.fault("DELETE", "database-down")
	d.until("the database check passes", passing)
	p.Kill()
	n := len(client.stop())
	d.end() // after the exit the collector's queue has the final export
	collector.Kill()
	collector = startCollector()
	p = startPrometheus(t, addrs[1], data)
	const requests = "sum(http_server_request_duration_seconds_count)"
	all := func(got []sample) bool { return len(got) == 1 && got[0].value == strconv.Itoa(n) }
	p.eventually("the queued data has arrived", requests, all)
	p.Kill()
	p = startPrometheus(t, addrs[1], data)
	p.eventually("the data is still there", requests, all)
	whole("at the end")
	if code := collector.Stop(); code != 0 {
		t.Errorf("the collector's exit code is %d", code)
	}

	served, failed, meanwhile := map[string]bool{}, map[string]bool{}, 0 // by id, because the collector sends data twice if Prometheus did not confirm it
	for _, s := range spans(messages(t, filepath.Join(dir, "traces.jsonl"))) {
		switch {
		case s.Kind == serverKind:
			served[s.SpanID] = true
		case s.Name == "health.check database" && s.failed() && !failed[s.SpanID]:
			failed[s.SpanID] = true
			if at := time.Unix(0, int64(s.Start)); at.After(killed) && at.Before(back) {
				meanwhile++
			}
		}
	}
	if len(served) != n {
		t.Errorf("the traces have %d of %d requests", len(served), n)
	}
	const runs = `sum(health_check_duration_seconds_count{health_check_name="database", error_type!=""})`
	if got := p.query(runs); len(got) != 1 || got[0].value != strconv.Itoa(len(failed)) || meanwhile == 0 {
		t.Errorf("failed runs in Prometheus: %v; in the traces: %d, %d of them during the collector's outage", got, len(failed), meanwhile)
	}
	t.Logf("%d requests, %d failed runs, %d of them during the collector's outage", n, len(failed), meanwhile)
	for _, q := range []string{
		`telemetry_items_lost_total{telemetry_signal="traces"} > 0`,
		`otel_sdk_exporter_span_exported_total{error_type!=""} > 0`,
		`telemetry_export_failures_total{telemetry_signal="traces"} > 0`,
	} {
		if got := p.query(q); len(got) != 0 {
			t.Errorf("spans were lost: %s returns %v", q, got)
		}
	}
	for _, q := range []string{"sum(otel_sdk_processor_span_processed_total)", "sum(otel_sdk_exporter_span_exported_total)"} { // without these metrics the checks above would prove nothing
		if got := p.query(q); len(got) != 1 || got[0].value == "0" {
			t.Errorf("%s returns %v", q, got)
		}
	}
}

// widest returns the series with the longest gap since a time, between two raw samples or between
// its last sample and the last of all.
func (p prometheus) widest(selector string, since time.Time) (name string, most time.Duration) {
	p.t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Values [][2]any
		}
	}
	q := fmt.Sprintf("%s[%ds]", selector, int(time.Since(since).Seconds())+1)
	p.get("query", url.Values{"query": {q}}, &data)
	var last float64
	for _, r := range data.Result {
		last = max(last, r.Values[len(r.Values)-1][0].(float64))
	}
	for _, r := range data.Result {
		for i, v := range r.Values {
			before, after := v[0].(float64), last
			if i+1 < len(r.Values) {
				after = r.Values[i+1][0].(float64)
			}
			if gap := time.Duration((after - before) * float64(time.Second)); gap > most {
				name, most = fmt.Sprint(r.Metric), gap.Round(time.Millisecond)
			}
		}
	}
	if len(data.Result) < 50 || most == 0 {
		p.t.Fatalf("%s returns %d series, with gaps of %v", q, len(data.Result), most)
	}
	return name, most
}

// seconds converts a Unix time.
func seconds(t *testing.T, value string) time.Time {
	t.Helper()
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(int64(f * 1000))
}

// TestOutageLatency measures the effect of the collector's death on a client, in pairs of runs with
// and without a collector, in random order. No request may fail. The durations are only logged,
// because they also depend on the machine.
func TestOutageLatency(t *testing.T) {
	pairs, block := 6, lasting(time.Second, 10*time.Second)
	if *long {
		pairs = 20
	}
	dir, addr := t.TempDir(), servers.FreeAddrs(t, 1)[0]
	start := func() *servers.Process {
		return servers.Collector(t, "..", addr, dir, nil, "testdata/metrics-file.yaml")
	}
	collector := start()
	d := startDemo(t, append(soon, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+addr), "-load", "0", "-queue", "20000", "-drain", "0s")
	d.WaitOK(d.app + "/ready")
	run := func(up bool) time.Duration {
		t.Helper()
		switch {
		case up && collector.Ended():
			collector = start()
		case !up && !collector.Ended():
			collector.Kill()
		}
		since := time.Now()
		last := d.exported("traces")
		servers.Poll(t, "exports succeed with a collector and fail without", func() error {
			switch now := d.exported("traces"); {
			case up && now.After(since):
				return nil
			case !up && now != last: // an answer was in flight when the collector died
				since, last = time.Now(), now
			case !up && time.Since(since) > 500*time.Millisecond:
				return nil
			}
			return fmt.Errorf("the last export was at %v", last)
		})
		c := startClient(d, 50*time.Millisecond)
		time.Sleep(block)
		return median(c.stop())
	}
	run(true) // the first requests are slow
	var with, without, more []time.Duration
	for range pairs {
		var up, down time.Duration
		if rand.IntN(2) == 0 {
			up, down = run(true), run(false)
		} else {
			down, up = run(false), run(true)
		}
		with, without, more = append(with, down), append(without, up), append(more, down-up)
	}
	d.end()
	t.Logf("median latency in %d pairs of %v: %v with a collector, %v without; median difference %v, 95 %%: %s",
		pairs, block, median(without), median(with), median(more), interval(more))
	slices.Sort(more)
	t.Logf("all differences: %v", more)
}

// exported returns the time of the last export of a signal.
func (d *demo) exported(signal string) time.Time {
	d.t.Helper()
	for _, s := range d.metrics() {
		if s.name == "telemetry_export_last_success_timestamp_seconds" && s.labels["telemetry_signal"] == signal {
			return seconds(d.t, s.value)
		}
	}
	return time.Time{}
}
