package telemetry

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
)

// TestNameConflicts: what /metrics leaves out is one sentence in the log, once, without attributes.
// The other series are there.
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
	for _, want := range []string{`jobs_done_total{otel_scope_name="test"`, `jobs_done_total{otel_scope_name="other"`, "queue_length", `files_total{f="ok"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
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
