package telemetry

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// harm is what foreign code does after it has observed 1.
type harm struct {
	do    func(hang <-chan struct{}) error
	class string // error.type ends so
	said  string
}

var harms = map[string]harm{
	"error":    {func(<-chan struct{}) error { return fmt.Errorf("dial: %w", errPassword) }, "error", "returns a telemetry.passwordError"},
	"panic":    {func(<-chan struct{}) error { panic(errors.New("hunter2")) }, "panic", "panics with a *errors.errorString"},
	"exit":     {func(<-chan struct{}) error { runtime.Goexit(); return nil }, "exit", "ends its goroutine"},
	"hang":     {func(hang <-chan struct{}) error { <-hang; return nil }, "timeout", "takes longer than 500ms"},
	"re-enter": {nil, "timeout", "takes longer than 500ms"}, // do is made with the Telemetry
}

// harmful are the kinds of foreign code in a collection. Each observes bad.gauge once and does harm.
var harmful = map[string]func(m metric.Meter, do func() error) error{
	"int callback": func(m metric.Meter, do func() error) error {
		_, err := m.Int64ObservableGauge("bad.gauge", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1)
			return do()
		}))
		return err
	},
	"float callback": func(m metric.Meter, do func() error) error {
		_, err := m.Float64ObservableGauge("bad.gauge", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(1)
			return do()
		}))
		return err
	},
	"callback of several": func(m metric.Meter, do func() error) error {
		g, err := m.Float64ObservableGauge("bad.gauge")
		if err != nil {
			return err
		}
		_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
			o.ObserveFloat64(g, 1)
			return do()
		}, g)
		return err
	},
	"producer": nil, // of Config
}

// harmfulProducer is a Producer that does harm as soon as it may.
type harmfulProducer struct{ do *atomic.Pointer[func() error] }

func (p harmfulProducer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	do := p.do.Load()
	if do == nil {
		return nil, nil
	}
	return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{
		Name: "bad.gauge", Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Attributes: *attribute.EmptySet(), Value: 1}}},
	}}}}, (*do)()
}

// TestCallbacksHarmOnlyThemselves: if a callback or a Producer misbehaves, all other metrics are in rules, on
// /metrics, in OTLP, in OTLP with delta temporality and in the user's own reader. Its observations before an error
// count. The failure is logged by name and counted, and none of its texts is logged.
func TestCallbacksHarmOnlyThemselves(t *testing.T) {
	for code, register := range harmful {
		for name, h := range harms {
			t.Run(code+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testHarm(t, code, name, register, h) })
			})
		}
	}
}

func testHarm(t *testing.T, code, name string, register func(metric.Meter, func() error) error, h harm) {
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{{Name: "good", Value: rule.Last("good.gauge"), Fail: rule.Above(1e9)}}})
	shared := &exported{}
	delta := &exported{TemporalitySelector: func(sdkmetric.InstrumentKind) metricdata.Temporality { return metricdata.DeltaTemporality }}
	own := sdkmetric.NewManualReader()
	var produce atomic.Pointer[func() error]
	cfg := Config{Health: health, Readers: []sdkmetric.Reader{own, sdkmetric.NewPeriodicReader(delta, sdkmetric.WithInterval(time.Hour))}}
	if register == nil {
		cfg.Producers = []sdkmetric.Producer{harmfulProducer{&produce}}
	}
	tel, log := start(t, cfg, nil)
	exportTo(t, tel, shared, time.Hour)
	hang := make(chan struct{})
	do := func() error { return h.do(hang) }
	if h.do == nil {
		do = func() error {
			_ = scrape(t, tel)
			_, err := tel.MeterProvider.Meter("inside").Int64Counter("made.inside")
			return err
		}
	}
	count := 0.0
	must(tel.MeterProvider.Meter("test").Float64ObservableGauge("good.gauge", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
		count++
		o.Observe(count)
		return nil
	})))
	if register == nil {
		produce.Store(&do)
	} else if err := register(tel.MeterProvider.Meter("test"), do); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	for n := range 3 {
		body := scrape(t, tel)
		if !strings.Contains(body, "good_gauge{") {
			t.Errorf("/metrics lacks good_gauge")
		}
		bad := strings.Contains(body, "\nbad_gauge{")
		want := h.class != "timeout"
		if h.do == nil && n > 0 {
			want = bad // it returns as soon as nobody waits for it
		}
		if register == nil && (h.class == "panic" || h.class == "exit") {
			want = false // it has returned nothing
		}
		if bad != want || strings.Contains(body, "hunter2") {
			t.Errorf("/metrics has bad_gauge: %v; want %v", bad, want)
		}
	}
	if took, most := time.Since(began), askLimit; h.class == "timeout" && took > 3*most || h.class != "timeout" && took > 0 {
		t.Errorf("three scrapes took %v", took)
	}
	if err := tel.metrics.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	for name, x := range map[string]*exported{"OTLP": shared, "OTLP with delta temporality": delta} {
		if _, ok := x.value("good.gauge"); !ok {
			t.Errorf("%s lacks good.gauge", name)
		}
	}
	var rm metricdata.ResourceMetrics
	if err := own.Collect(t.Context(), &rm); err != nil {
		t.Error(err)
	}
	if _, ok := valueIn(&rm, "good.gauge"); !ok {
		t.Error("the user's own reader lacks good.gauge")
	}
	time.Sleep(20 * time.Second)
	synctest.Wait()
	before := *result(health.Verdict(), "good").Value
	time.Sleep(12 * time.Second) // a collection that has waited for a callback is followed by a pause of 10 s
	synctest.Wait()
	if r := result(health.Verdict(), "good"); r.State != verdict.Pass || *r.Value <= before || h.do != nil && *r.Value < before+10 {
		t.Errorf("the judge has %v after %v: %+v", *r.Value, before, r)
	}
	subject := "callback_"
	of := "the callback of bad.gauge "
	if register == nil {
		subject, of = "producer_", "the Producer telemetry.harmfulProducer "
	}
	if n := series(t, tel, "telemetry.export.failures")["error.type="+subject+h.class+",telemetry.signal=metrics"]; n < 3 {
		t.Errorf("%v failures counted: %v", n, series(t, tel, "telemetry.export.failures"))
	}
	close(hang)
	err := tel.Close()
	synctest.Wait()
	if out := log.String() + fmt.Sprint(err); !strings.Contains(out, of+h.said) || strings.Contains(out, "hunter2") {
		t.Errorf("%s/%s: log and error of Close: %s", code, name, out)
	}
}

// TestLateCallback: a callback that hangs delays one collection by half a second. Its last values are used for
// 15 s. When it returns, it counts again. Collections don't wait for one that is always slow.
func TestLateCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel, _ := start(t, Config{}, nil)
		takes := time.Duration(0)
		asked := 0
		hang := make(chan struct{})
		must(tel.MeterProvider.Meter("test").Int64ObservableGauge("slow.gauge", metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			asked++
			o.Observe(int64(asked))
			if takes < 0 {
				<-hang
			}
			time.Sleep(takes)
			return ctx.Err()
		})))
		collect := func(want float64, wantTime time.Duration) {
			t.Helper()
			began := time.Now()
			rm, err := tel.Reader.(*collection).Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if v, _ := valueIn(rm, "slow.gauge"); v != want || time.Since(began) != wantTime {
				t.Errorf("%v in %v; want %v in %v", v, time.Since(began), want, wantTime)
			}
		}
		collect(1, 0)
		takes = -1
		collect(1, askLimit)
		time.Sleep(14 * time.Second)
		collect(1, 0)
		time.Sleep(time.Second)
		collect(0, 0) // 15.5 s old
		close(hang)
		synctest.Wait()
		takes = 100 * time.Millisecond
		collect(2, 0) // asked again, but nobody waits
		time.Sleep(time.Second)
		collect(4, takes)
		takes = 2 * time.Second // slow all the time
		collect(4, askLimit)
		for n := range 5 {
			time.Sleep(3 * time.Second)
			collect(float64(5+n), 0)
		}
		time.Sleep(3 * time.Second)
	})
}

// TestManyLateCallbacks: together they delay one collection by little more than two seconds, and a healthy one after
// them counts again two collections later.
func TestManyLateCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel, _ := start(t, Config{}, nil)
		hang := make(chan struct{})
		for n := range 50 {
			must(tel.MeterProvider.Meter("test").Int64ObservableGauge(fmt.Sprint("late.", n), metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
				<-hang
				return nil
			})))
		}
		must(tel.MeterProvider.Meter("test").Int64ObservableGauge("good.gauge", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			time.Sleep(leastWait / 2)
			o.Observe(1)
			return nil
		})))
		began := time.Now()
		rm := must(tel.Reader.(*collection).Snapshot(t.Context()))
		if took := time.Since(began); took > collectLimit+50*leastWait {
			t.Errorf("the first collection took %v", took)
		}
		if _, ok := valueIn(rm, "good.gauge"); !ok {
			t.Error("the healthy one is missing")
		}
		began = time.Now()
		_ = must(tel.Reader.(*collection).Snapshot(t.Context()))
		if took := time.Since(began); took > leastWait {
			t.Errorf("the second collection took %v", took)
		}
		close(hang)
	})
}

// TestFilterInCallback: a view's filter is foreign code too, and the SDK calls it for each observation. After a
// panic only that instrument is missing.
func TestFilterInCallback(t *testing.T) {
	panics := sdkmetric.NewView(sdkmetric.Instrument{Name: "bad.gauge"}, sdkmetric.Stream{AttributeFilter: func(attribute.KeyValue) bool { panic("hunter2") }})
	tel, _ := start(t, Config{Views: []sdkmetric.View{panics}}, nil)
	for _, name := range []string{"bad.gauge", "good.gauge"} {
		must(tel.MeterProvider.Meter("test").Int64ObservableGauge(name, metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1, metric.WithAttributes(attribute.String("k", "v")))
			return nil
		})))
	}
	body := scrape(t, tel)
	if !strings.Contains(body, "\ngood_gauge{") {
		t.Error("/metrics lacks good_gauge")
	}
	if bad := regexp.MustCompile(`(?m)^bad_gauge\{.*$`).FindString(body); bad == "" || strings.Contains(bad, `k="v"`) {
		t.Errorf("%q, want it without the attribute", bad)
	}
}

// TestFailedCallbackIsSeen: with OTLP, all other metrics are exported, and the telemetry check shows the callback
// that fails. The same holds with delta temporality.
func TestFailedCallbackIsSeen(t *testing.T) {
	for _, temporality := range []string{"cumulative", "delta"} {
		t.Run(temporality, func(t *testing.T) {
			c := &exportedNames{}
			health := healthcheck.New(healthcheck.Config{})
			tel, log := start(t, Config{Health: health}, map[string]string{
				"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://" + serveMetrics(t, c), "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
				"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality})
			must(tel.MeterProvider.Meter("test").Int64ObservableGauge("pool.size", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
				return errPassword
			})))
			eventually(t, "the check shows it", func() bool {
				if err := tel.metrics.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				return result(health.Verdict(), "telemetry").State == verdict.Fail
			})
			if c.count("go.goroutine.count") != 1 {
				t.Error("the others are not exported")
			}
			eventually(t, "it is said", func() bool {
				return strings.Contains(log.String(), "the callback of pool.size returns a telemetry.passwordError")
			})
		})
	}
}
