package rules

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// rig is a Monitor with the service's rules, and the instruments of these rules.
type rig struct {
	*testing.T
	health   *healthcheck.Monitor
	length   atomic.Int64 // another goroutine reads it at every collection
	delivery metric.Float64Histogram
	imported metric.Float64Gauge
}

// newRig starts a Monitor. The last import has just ended.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, health: healthcheck.New(healthcheck.Config{Rules: Rules})}
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(r.health.View()))
	// Use the names of the service's instruments.
	r.health.Queue("orders", 100, func() int { return int(r.length.Load()) })
	meter := provider.Meter("test")
	var err error
	if r.delivery, err = meter.Float64Histogram("delivery.duration", metric.WithUnit("s")); err != nil {
		t.Fatal(err)
	}
	if r.imported, err = meter.Float64Gauge("import.last_success.timestamp", metric.WithUnit("s")); err != nil {
		t.Fatal(err)
	}
	r.importEnds()
	err = r.health.StartWith(t.Context(), healthcheck.Pipeline{
		Reader: reader, MeterProvider: provider, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.health.Stop)
	time.Sleep(500 * time.Millisecond) // the Monitor judges at every full second, so the test looks halfway between two of them
	return r
}

func (r *rig) importEnds() {
	r.imported.Record(r.Context(), float64(time.Now().Unix()))
}

// deliver records n deliveries with an error type, or "" for success.
func (r *rig) deliver(n int, took time.Duration, carrier, errorType string) {
	attrs := []attribute.KeyValue{attribute.String("carrier", carrier)}
	if errorType != "" {
		attrs = append(attrs, attribute.String("error.type", errorType))
	}
	for range n {
		r.delivery.Record(r.Context(), took.Seconds(), metric.WithAttributes(attrs...))
	}
}

// after lets time pass, and then checks a rule's state and reason. One second is enough for a
// collection and a judgement.
func (r *rig) after(d time.Duration, rule string, want verdict.State, why string) {
	r.Helper()
	time.Sleep(d) // virtual time: it takes none
	for _, c := range r.health.Verdict().Results {
		if c.Name == rule {
			if c.State != want || c.Reason != why {
				r.Errorf("%s is %s %q, want %s %q", rule, c.State, c.Reason, want, why)
			}
			return
		}
	}
	r.Errorf("there is no rule %q", rule)
}

// ready checks readiness.
func (r *rig) ready(want verdict.State) {
	r.Helper()
	if got := r.health.Verdict().Readiness; got.State != want {
		r.Errorf("readiness is %s, want %s: %s", got.State, want, got.Reason)
	}
}

const (
	pass = verdict.Pass
	warn = verdict.Warn
	fail = verdict.Fail
)

// TestNames: each rule has found its instrument. Only this test detects a mistyped name, an
// instrument of the wrong kind, and a gauge whose attributes match nothing.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		time.Sleep(time.Second)
		for _, c := range r.health.Verdict().Results {
			if c.State != pass {
				t.Errorf("%s is %s: %s", c.Name, c.State, c.Reason)
			}
		}
		r.ready(pass)
	})
}

// TestQueue: a full queue fails readiness after five seconds. A short peak does not.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.length.Store(80) // a value equal to the limit passes
		r.after(time.Second, "queue", pass, "80, warns above 50, but not for 5s yet")
		r.after(6*time.Second, "queue", warn, "80, warns above 50")
		r.ready(warn)
		r.length.Store(10)
		r.after(time.Second, "queue", pass, "")
		r.length.Store(81) // a short peak
		r.after(4*time.Second, "queue", pass, "81 of at most 80, but not for 5s yet")
		r.length.Store(10)
		r.after(time.Second, "queue", pass, "")
		r.length.Store(81)
		r.after(4*time.Second, "queue", pass, "81 of at most 80, but not for 5s yet")
		r.after(3*time.Second, "queue", fail, "81 of at most 80")
		r.ready(fail)
	})
}

// TestLatency: the rule judges the 95th percentile of a minute, if there were ten deliveries.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.deliver(9, 3*time.Second, "post", "")
		r.after(time.Second, "latency", pass, "too few events: 9 of 10")
		r.deliver(91, time.Second, "post", "")
		// The count over the limit is exact. The value is an estimate between the boundaries 2.5
		// and 5.
		r.after(time.Second, "latency", fail, "p95 between 2.5 and 5 s of at most 2")
		r.ready(warn)
		r.deliver(80, time.Second, "post", "")
		r.after(time.Second, "latency", pass, "") // exactly 5 % are slower
		r.after(2*time.Minute, "latency", pass, "")
	})
}

// TestErrors: one bad carrier fails the rule, even if all others deliver well.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.deliver(1, time.Second, "bike", "timeout")
		r.deliver(9, time.Second, "drone", "")
		r.after(time.Second, "errors", pass, "too few events: 9 of 10 (carrier=drone)") // the fullest
		r.deliver(1000, time.Second, "post", "")
		r.deliver(9, time.Second, "courier", "")
		r.deliver(2, time.Second, "courier", "timeout")
		r.after(time.Second, "errors", fail, "18.1818 % of at most 10 % (carrier=courier)")
		r.after(90*time.Second, "errors", pass, "")
	})
}

// TestImport: the rule warns after ten minutes without an import. It warns for one more minute
// after an import has ended.
func TestImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.after(599*time.Second, "import", pass, "")
		r.after(2*time.Second, "import", fail, "601 s of at most 600")
		r.ready(warn)
		r.importEnds()
		r.after(time.Second, "import", fail, "crossed less than 1m0s ago")
		r.after(time.Minute, "import", pass, "")
	})
}
