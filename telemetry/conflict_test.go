package telemetry

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestNameConflicts: what /metrics leaves out is logged once, in one sentence, without attributes. The other series
// are there.
func TestNameConflicts(t *testing.T) {
	tel, log := start(t, Config{}, nil)
	meter := tel.MeterProvider.Meter("test")
	a, _ := meter.Int64Counter("jobs.done")
	b, _ := meter.Int64Counter("jobs_done")
	c, _ := meter.Int64Gauge("queue.length")
	d, _ := meter.Float64Histogram("queue_length")
	same, _ := tel.MeterProvider.Meter("other").Int64Counter("jobs.done") // no conflict: another scope
	files, _ := meter.Int64Counter("files")
	for _, w := range []string{"hunter2", "y"} {
		set := metric.WithAttributes(attribute.String("worker", w))
		a.Add(t.Context(), 1, set)
		b.Add(t.Context(), 1, set)
		c.Record(t.Context(), 1, set)
		d.Record(t.Context(), 1, set)
		same.Add(t.Context(), 1, set)
	}
	files.Add(t.Context(), 1, metric.WithAttributes(attribute.String("f", "\xff")))
	files.Add(t.Context(), 1, metric.WithAttributes(attribute.String("f", "ok")))
	e, _ := meter.Int64Gauge("other.size") // leaves nothing out: another scope, and one type for Prometheus
	f, _ := tel.MeterProvider.Meter("other").Int64UpDownCounter("other_size")
	e.Record(t.Context(), 1)
	f.Add(t.Context(), 1)
	var body string
	for range 3 {
		body = scrape(t, tel)
	}
	for _, want := range []string{
		`error="series of jobs_done_total are left out, because it is the name of jobs.done (counter) and jobs_done (counter); rename one"`,
		`error="series of queue_length are left out, because it is the name of queue.length (gauge) and queue_length (histogram); rename one"`,
		`error="series of files_total are left out, because an attribute is not valid UTF-8"`,
	} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("%s is not there once", want)
		}
	}
	if n := strings.Count(log.String(), "msg=/metrics"); n != 3 || strings.Contains(log.String(), "hunter2") {
		t.Errorf("%d lines: %s", n, log)
	}
	for _, want := range []string{`jobs_done_total{otel_scope_name="test"`, `jobs_done_total{otel_scope_name="other"`, "queue_length", `files_total{f="ok"`, `other_size{otel_scope_name="test"`, `other_size{otel_scope_name="other"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
}

// countOne makes a counter with a series.
func countOne(t *testing.T, tel *Telemetry, name string) {
	t.Helper()
	counter, err := tel.MeterProvider.Meter("test").Int64Counter(name)
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
}

// TestConflictsAreShown: the first name with series that a scrape leaves out makes a series and an
// informational check.
func TestConflictsAreShown(t *testing.T) {
	health := healthcheck.New(healthcheck.Config{})
	tel, _ := start(t, Config{Health: health}, nil)
	scrape(t, tel)
	if result(health.Verdict(), "telemetry-names") != nil || len(series(t, tel, scrapeConflicts)) != 0 {
		t.Error("it is shown without a conflict")
	}
	countOne(t, tel, "jobs.done")
	countOne(t, tel, "jobs_done")
	scrape(t, tel)
	if got := series(t, tel, scrapeConflicts); len(got) != 1 || got["telemetry.metric=jobs_done_total"] != 1 {
		t.Errorf("series: %v", got)
	}
	v := await(t, health, func(v *verdict.Verdict) bool {
		r := result(v, "telemetry-names")
		return r != nil && r.State == verdict.Fail
	})
	if r := result(v, "telemetry-names"); v.Readiness.State != verdict.Pass || !strings.Contains(r.Reason, "jobs_done_total") {
		t.Errorf("readiness %v; the check: %+v", v.Readiness, r)
	}
}

// TestConflictsCost: a conflict costs one collection more, in its first scrape only.
func TestConflictsCost(t *testing.T) {
	tel, log := start(t, Config{}, nil)
	var collections atomic.Int64
	_, err := tel.MeterProvider.Meter("test").Int64ObservableGauge("collections", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		collections.Add(1)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []int64{1, 2, 1, 2, 1} {
		switch n {
		case 1:
			countOne(t, tel, "jobs.done")
			countOne(t, tel, "jobs_done")
		case 3:
			countOne(t, tel, "jobs.lost")
			countOne(t, tel, "jobs_lost")
		}
		before := collections.Load()
		scrape(t, tel)
		if got := collections.Load() - before; got != want {
			t.Errorf("scrape %d collects %d times, want %d", n, got, want)
		}
	}
	if n := strings.Count(log.String(), "msg=/metrics"); n != 2 {
		t.Errorf("%d lines: %s", n, log)
	}
}

// broken is a collector that fails.
type brokenCollector struct{ desc *prometheus.Desc }

func (c brokenCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }
func (c brokenCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(c.desc, errors.New("password=hunter2"))
}

// TestBrokenCollector: a collector of the service that fails is named, without its text.
func TestBrokenCollector(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(brokenCollector{prometheus.NewDesc("legacy_queue", "Legacy.", nil, nil)})
	tel, log := start(t, Config{Registry: promhealth.Registry(reg)}, nil)
	for range 3 {
		scrape(t, tel)
	}
	if out := log.String(); strings.Count(out, "series of legacy_queue are left out") != 1 || strings.Contains(out, "hunter2") {
		t.Error(out)
	}
}
