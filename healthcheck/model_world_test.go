package healthcheck_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// world is the Monitor on the real SDK. Its exported metrics come from the reader that it judges
// by.
type world struct {
	t         *testing.T
	monitor   *healthcheck.Monitor
	reader    *sdkmetric.ManualReader
	handler   http.Handler
	started   time.Time
	actives   []*switchable
	worker    *healthcheck.Heartbeat
	recorders []recorders
	flow      flow
	inflight  metric.Int64UpDownCounter
	queue     number
	gauge     number
	stamp     number
	absent    atomic.Bool
	failing   atomic.Bool
	holds     [4]func()
	lifts     []func()
	poke      func() // asks for a judgement
	drain     func() // the context of Start ends
	stop      func()

	overrides, maintenance string // files
}

// failingReader is a reader that fails on request.
type failingReader struct {
	sdkmetric.Reader
	failing *atomic.Bool
}

func (r failingReader) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	if r.failing.Load() {
		return errors.New("told to fail")
	}
	return r.Reader.Collect(ctx, rm)
}

func newWorld(t *testing.T, dir string, c conf) *world {
	w := &world{t: t, reader: sdkmetric.NewManualReader(), started: time.Now()}
	w.overrides, w.maintenance = filepath.Join(dir, "overrides"), filepath.Join(dir, "maintenance")
	w.must(os.RemoveAll(w.overrides))
	w.must(os.RemoveAll(w.maintenance))
	config := healthcheck.Config{OverrideFile: w.overrides, MaintenanceFile: w.maintenance,
		Defaults: healthcheck.Check{Timeout: timeout, FailureThreshold: c.failures, SuccessThreshold: c.successes}}
	for _, a := range c.actives {
		s := &switchable{does: a.start, gate: make(chan struct{})}
		w.actives = append(w.actives, s)
		config.Checks = append(config.Checks, healthcheck.Check{Name: a.name, OnFail: verdict.Effect(a.effect), Func: s.check,
			Interval: a.interval, FailureThreshold: a.failures, SuccessThreshold: a.successes})
	}
	for _, r := range c.rules {
		config.Rules = append(config.Rules, r.rule())
	}
	m := healthcheck.New(config)
	w.monitor, w.handler = m, m.Wrap(nil)
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader), sdkmetric.WithView(m.View()),
		sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.instance.id", "a"))))
	w.evidence(provider)
	w.worker = m.Heartbeat("worker", c.stall)
	w.poke = m.Hold("poke") // a second release only asks for a judgement
	w.poke()
	for n := range w.holds {
		w.holds[n] = func() {}
	}
	if c.held {
		w.holds[0] = m.Hold("hold")
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.drain = cancel
	w.stop = func() {
		for _, s := range w.actives {
			s.release()
		}
		cancel()
		m.Stop()
		w.must(provider.Shutdown(context.Background()))
	}
	w.must(m.StartWith(ctx, healthcheck.Pipeline{Reader: failingReader{w.reader, &w.failing}, MeterProvider: provider,
		TracerProvider: noop.NewTracerProvider(), Logger: slog.New(slog.DiscardHandler)}))
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

// until lets time pass until all goroutines are idle.
func (w *world) until(at time.Duration) {
	time.Sleep(time.Until(w.started.Add(at)))
	synctest.Wait()
}

func (w *world) do(o op) {
	end := w.started.Add(o.end(time.Since(w.started)))
	switch o.verb {
	case "behave":
		w.actives[o.n].set(o.text)
	case "release":
		w.actives[o.n].release()
	case "queue":
		w.queue.store(o.value)
	case "gauge":
		w.gauge.store(o.value)
		w.absent.Store(o.text == "absent")
	case "stamp":
		w.stamp.store(float64(time.Now().UnixMilli()) / 1e3)
	case "record":
		l := latencies[int(o.value)]
		outcome := "good"
		if l > .3 {
			outcome = "bad"
		}
		for range o.n {
			for _, r := range w.recorders {
				r.latency.Record(w.t.Context(), in(r.unit, l))
				r.requests.Add(w.t.Context(), 1, metric.WithAttributes(attribute.String("outcome", outcome)))
			}
		}
	case "flow":
		w.flow.do(o)
	case "inflight":
		w.inflight.Add(w.t.Context(), int64(o.value), metric.WithAttributes(attribute.Int("part", o.n)))
	case "level":
		for _, r := range w.recorders {
			r.level.Record(w.t.Context(), o.value)
		}
	case "busy":
		w.worker.Begin()
	case "beat":
		w.worker.Beat()
	case "idle":
		w.worker.End()
	case "hold":
		w.holds[o.n]()
		w.holds[o.n] = w.monitor.Hold("hold")
	case "unhold":
		w.holds[o.n]()
	case "maintain":
		lift, err := w.monitor.Maintain("upgrade", end)
		w.must(err)
		w.lifts = append(w.lifts, lift)
	case "lift":
		if o.n < len(w.lifts) {
			w.lifts[o.n]()
		}
	case "maintenance":
		text := o.text
		if text == "until" {
			text = fmt.Sprintf(`{"reason": "upgrade", "until": %q}`, end.Format(time.RFC3339Nano))
		}
		w.must(os.WriteFile(w.maintenance, []byte(text), 0o600))
	case "effects":
		w.must(os.WriteFile(w.overrides, []byte(o.text), 0o600))
	case "failing", "collecting":
		w.failing.Store(o.verb == "failing")
	case "drain":
		w.drain()
	}
}
