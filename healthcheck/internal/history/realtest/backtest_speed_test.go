package realtest

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/backtest"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// TestBacktestSpeed runs a whole backtest of four rules. It prints the figures, and fails only if
// something is missing or the memory is over a GiB.
func TestBacktestSpeed(t *testing.T) {
	const duration = "http.server.request.duration"
	dir := t.TempDir()
	writeDays(t, dir, *days, *instances)
	addr := prometheus(t, dir, "global: {}\n")
	var peak atomic.Int64
	began := time.Now()
	r, err := backtest.Run(t.Context(), backtest.Options{
		URL: addr, Client: client, Selector: `job="shop"`, From: begin, To: begin.Add(time.Duration(*days) * 24 * time.Hour),
		Config: healthcheck.Config{Rules: []rule.Rule{
			{Name: "latency", Value: rule.Quantile(.99, duration), Window: 2 * time.Minute, Fail: rule.Above(5 * time.Second)},
			{Name: "share", Value: rule.ShareAbove(5*time.Second, duration), Fail: rule.Above(.05), Warn: rule.Above(.02), OnFail: healthcheck.NotReady},
			{Name: "jobs", Value: rule.Increase("jobs.failed"), Fail: rule.Above(100)},
			{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), OnFail: healthcheck.NotReady},
		}},
		Progress: func(int, int) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), int64(m.Sys)))
		},
	})
	must(t, err)
	took := time.Since(began)
	if want := *days * *instances * 5760; r.Samples != want || len(r.Instances) != *instances {
		t.Errorf("%d samples of %d instances, want %d", r.Samples, len(r.Instances), want)
	}
	t.Logf("%d instances, %d days: %d collections judged in %v, %.0f µs each; memory of the process %d MB", *instances, *days, r.Samples, took.Round(time.Millisecond), float64(took.Microseconds())/float64(r.Samples), peak.Load()>>20)
	if peak.Load() > 1<<30 {
		t.Errorf("the process had %d MB", peak.Load()>>20)
	}
}
