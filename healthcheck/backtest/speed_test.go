package backtest

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/replay"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

var days = flag.Int("days", 1, "how long the past of BenchmarkReplay is")

// month is the past of a service: 20 routes with a histogram of three buckets, a counter and a gauge. One
// hour a day is bad.
type month struct {
	r       *rand.Rand
	catalog evidence.Catalog
	points  []metricdata.HistogramDataPoint[float64]
	sum     []metricdata.DataPoint[float64]
	gauge   []metricdata.DataPoint[float64]
}

func newMonth() *month {
	m := &month{r: rand.New(rand.NewPCG(1, 2)), sum: make([]metricdata.DataPoint[float64], 1), gauge: make([]metricdata.DataPoint[float64], 1)}
	for n := range 20 {
		m.points = append(m.points, metricdata.HistogramDataPoint[float64]{
			Attributes: attribute.NewSet(attribute.Int("http.route", n)), Bounds: []float64{.5}, BucketCounts: make([]uint64, 2)})
	}
	const cumulative = metricdata.CumulativeTemporality
	m.catalog = evidence.Catalog{
		"http.server.request.duration": {{Name: "http.server.request.duration", Unit: "s", Data: metricdata.Histogram[float64]{DataPoints: m.points, Temporality: cumulative}}},
		"jobs.failed":                  {{Name: "jobs.failed", Data: metricdata.Sum[float64]{DataPoints: m.sum, Temporality: cumulative, IsMonotonic: true}}},
		"queue.length":                 {{Name: "queue.length", Data: metricdata.Gauge[float64]{DataPoints: m.gauge}}},
	}
	return m
}

// step counts what happens in 15 s.
func (m *month) step(at time.Time) {
	bad := at.Hour() == 12 && at.Minute() < 20
	for n := range m.points {
		p := &m.points[n]
		p.BucketCounts[0] += uint64(10 + m.r.IntN(10))
		if bad && m.r.IntN(2) == 0 || m.r.IntN(400) == 0 {
			p.BucketCounts[1]++
		}
		p.Count = p.BucketCounts[0] + p.BucketCounts[1]
	}
	if m.r.IntN(100) == 0 {
		m.sum[0].Value++
	}
	m.gauge[0].Value = float64(20 + m.r.IntN(10))
}

// BenchmarkReplay judges the past of one instance with four rules. Its metrics extrapolate to 50 instances
// and 30 days on this machine with one processor, without the time for reading.
func BenchmarkReplay(b *testing.B) {
	const duration = "http.server.request.duration"
	o := Options{Config: healthcheck.Config{Rules: []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.99, duration), Window: 2 * time.Minute, Fail: rule.Above(500 * time.Millisecond)},
		{Name: "share", Value: rule.ShareAbove(500*time.Millisecond, duration), Fail: rule.Above(.05), Warn: rule.Above(.02), OnFail: healthcheck.NotReady},
		{Name: "jobs", Value: rule.Increase("jobs.failed"), Fail: rule.Above(10)},
		{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), OnFail: healthcheck.NotReady},
	}}}
	rules, err := o.rules()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		i, m, j := replay.New(replay.Config{Rules: rules, Tick: tick, Exists: func(string) bool { return true }}), newMonth(), newJudged("a", rules)
		for at := began; at.Before(began.Add(time.Duration(*days) * 24 * time.Hour)); at = at.Add(15 * time.Second) {
			m.step(at)
			j.add(i.Collect(at, m.catalog, false), i.Step)
		}
		j.end(i.Step)
	}
	took := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(took.Seconds()/float64(*days)*30*50, "s/50x30d")
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(mem.Sys)/1e6, "MB")
}
