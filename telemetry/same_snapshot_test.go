package telemetry

import (
	"context"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// exported is an exporter that keeps the last metrics.
type exported struct {
	sdkmetric.TemporalitySelector
	mu    sync.Mutex
	count int
	last  metricdata.ResourceMetrics
}

func (x *exported) Temporality(kind sdkmetric.InstrumentKind) metricdata.Temporality {
	if x.TemporalitySelector != nil {
		return x.TemporalitySelector(kind)
	}
	return metricdata.CumulativeTemporality
}

func (*exported) Aggregation(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(kind)
}

func (x *exported) Export(_ context.Context, rm *metricdata.ResourceMetrics) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.count++
	x.last = *rm
	return nil
}

func (*exported) ForceFlush(context.Context) error { return nil }
func (*exported) Shutdown(context.Context) error   { return nil }

// exports returns the number of exports.
func (x *exported) exports() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.count
}

// value returns the value of a metric with one series in the last export.
func (x *exported) value(name string) (v float64, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return valueIn(&x.last, name)
}

func valueIn(rm *metricdata.ResourceMetrics, name string) (v float64, ok bool) {
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name != name {
				continue
			}
			switch d := m.Data.(type) {
			case metricdata.Sum[float64]:
				return d.DataPoints[0].Value, true
			case metricdata.Gauge[float64]:
				return d.DataPoints[0].Value, true
			case metricdata.Gauge[int64]:
				return float64(d.DataPoints[0].Value), true
			}
		}
	}
	return 0, false
}

// exportTo makes a Telemetry export to x as it exports by OTLP, because a bubble has no network.
func exportTo(t *testing.T, tel *Telemetry, x sdkmetric.Exporter, interval time.Duration, others ...sdkmetric.Producer) {
	t.Helper()
	c := tel.Reader.(*collection)
	c.deliver(x, nil, &newOutcomes(tel.errorLogger).metrics, interval, others)
}

// scrapedValue returns the value of a series on /metrics.
func scrapedValue(t *testing.T, tel *Telemetry, name string) (v float64, ok bool) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + `\{[^}]*\} (\S+)`).FindStringSubmatch(scrape(t, tel))
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(m[1], 64)
	return v, err == nil
}

// TestSameSnapshot: over random measurements, the value that is judged, scraped and exported at a time is the same, bit
// for bit. Goroutines add at the same time, so two aggregations would differ by the order of additions. While they add,
// every exported value is one that was judged.
func TestSameSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{{Name: "level", Value: rule.Last("stream.level"), Fail: rule.Above(1e300)}}})
		x := &exported{}
		tel, _ := start(t, Config{Health: health}, nil)
		exportTo(t, tel, x, 3100*time.Millisecond)
		level := must(tel.MeterProvider.Meter("test").Float64UpDownCounter("stream.level"))
		judged, compared := map[uint64]bool{}, 0
		judgedNow := func() uint64 {
			r := result(health.Verdict(), "level")
			if r.Value == nil {
				return 0
			}
			return math.Float64bits(*r.Value)
		}
		random := rand.New(rand.NewPCG(1, 2))
		for round := range 40 {
			var adders sync.WaitGroup
			for range 4 {
				seed := random.Uint64()
				adders.Go(func() {
					random := rand.New(rand.NewPCG(seed, 1))
					for range 50 {
						level.Add(t.Context(), random.NormFloat64()*math.Pow(10, float64(random.IntN(12))))
					}
				})
			}
			adders.Wait()
			before := x.exports()
			for range 40 { // in between, exports of the interval
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				judged[judgedNow()] = true
				level.Add(t.Context(), random.NormFloat64())
				if x.exports() > before {
					before = x.exports()
					compared++
					if v, ok := x.value("stream.level"); !ok || !judged[math.Float64bits(v)] {
						t.Fatalf("round %d: %v was exported, but never judged", round, v)
					}
				}
			}
			time.Sleep(2 * time.Second) // nobody adds
			synctest.Wait()
			scraped, _ := scrapedValue(t, tel, "stream_level")
			if err := tel.metrics.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			sent, _ := x.value("stream.level")
			if a, b, c := judgedNow(), math.Float64bits(scraped), math.Float64bits(sent); a != b || a != c {
				t.Fatalf("round %d: judged %x, scraped %x, exported %x", round, a, b, c)
			}
		}
		if compared < 40 {
			t.Errorf("only %d exports in between", compared)
		}
	})
}

// TestCallbacksAreAskedOnce: the Monitor collects every second, and a scrape collects. An export uses the snapshot of
// the Monitor. If it also gathers a registry of the service, that contains the collector of /metrics, so there are one or
// two more collections.
func TestCallbacksAreAskedOnce(t *testing.T) {
	for name, reg := range map[string]promhealth.Registry{"alone": nil, "in a registry": prometheus.NewRegistry()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{{Name: "asked", Value: rule.Last("asked"), Fail: rule.Above(1e300)}}})
				x := &exported{}
				tel, _ := start(t, Config{Health: health, Registry: reg}, nil)
				var others []sdkmetric.Producer
				if reg != nil {
					others = tel.native
				}
				exportTo(t, tel, x, 15*time.Second, others...)
				var asked atomic.Int64
				must(tel.MeterProvider.Meter("test").Int64ObservableGauge("asked", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
					o.Observe(asked.Add(1))
					return nil
				})))
				synctest.Wait()
				time.Sleep(500 * time.Millisecond)
				asked.Store(0)
				for second := range 60 {
					time.Sleep(time.Second)
					if second%15 == 7 {
						if _, ok := scrapedValue(t, tel, "asked"); !ok {
							t.Error("it is not on /metrics")
						}
					}
				}
				synctest.Wait()
				most := int64(60 + 4)
				if reg != nil {
					most += 2 * 4
				}
				if n := asked.Load(); n < 60+4 || n > most {
					t.Errorf("asked %d times in a minute with 60 judgements, 4 scrapes and %d exports; want %d", n, x.exports(), most)
				}
				if x.exports() != 4 {
					t.Errorf("%d exports", x.exports())
				}
			})
		})
	}
}

// TestShortInterval: if exports are more frequent than judgements, each export collects for itself.
func TestShortInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &exported{}
		tel, _ := start(t, Config{Health: healthcheck.New(healthcheck.Config{})}, nil)
		var asked atomic.Int64
		must(tel.MeterProvider.Meter("test").Int64ObservableGauge("asked", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(asked.Add(1))
			return nil
		})))
		time.Sleep(1100 * time.Millisecond) // the last judgement knows it
		exportTo(t, tel, x, 500*time.Millisecond)
		last := 0.0
		for n := range 20 {
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			v, _ := x.value("asked")
			if v <= last || x.exports() != n+1 {
				t.Errorf("export %d has %v after %v", x.exports(), v, last)
			}
			last = v
		}
	})
}

// TestExportsWithoutJudgements: without a Monitor an export does not find its own snapshot again.
func TestExportsWithoutJudgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &exported{}
		tel, _ := start(t, Config{}, nil)
		exportTo(t, tel, x, time.Second)
		var asked atomic.Int64
		must(tel.MeterProvider.Meter("test").Int64ObservableGauge("asked", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(asked.Add(1))
			return nil
		})))
		for n := range 10 {
			time.Sleep(time.Second)
			synctest.Wait()
			if v, _ := x.value("asked"); v != float64(n+1) {
				t.Errorf("export %d has the figures of collection %v", n+1, v)
			}
		}
	})
}

// TestExportOfEachJudgement: with an interval as long as that of the judgements, each judgement is exported,
// no matter when in a second the exports come.
func TestExportOfEachJudgement(t *testing.T) {
	for after := 20 * time.Millisecond; after < time.Second; after += 90 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			tel, _ := start(t, Config{Health: healthcheck.New(healthcheck.Config{})}, nil)
			time.Sleep(after)
			exportTo(t, tel, &exported{}, time.Second)
			var asked atomic.Int64
			must(tel.MeterProvider.Meter("test").Int64ObservableGauge("asked", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(asked.Add(1))
				return nil
			})))
			time.Sleep(20*time.Second + time.Millisecond)
			synctest.Wait()
			if n := asked.Load(); n < 20 || n > 21 {
				t.Errorf("%v between them: %d collections for 20 judgements and 20 exports", after, n)
			}
		})
	}
}

// TestFirstExport: the collection that Start waits for has the state starting. It is not exported later.
func TestFirstExport(t *testing.T) {
	tel, _ := start(t, Config{Health: healthcheck.New(healthcheck.Config{})}, nil)
	s, err := tel.Reader.(*collection).snapshot(t.Context(), time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, sm := range s.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name != "health.lifecycle.status" {
				continue
			}
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				if state, _ := p.Attributes.Value("health.lifecycle.state"); (p.Value == 1) != (state.AsString() == "running") {
					t.Errorf("%s is %d", state.AsString(), p.Value)
				}
			}
			return
		}
	}
	t.Error("no lifecycle")
}

// TestSingleFlight: readers that ask during a collection share the next one, because the current one may already have
// read values that have changed since.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel, _ := start(t, Config{}, nil)
		var asked atomic.Int64
		release := make(chan struct{})
		must(tel.MeterProvider.Meter("test").Int64ObservableGauge("asked", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(asked.Add(1))
			<-release
			return nil
		})))
		var all sync.WaitGroup
		first := make(chan string, 1)
		all.Go(func() { first <- scrape(t, tel) })
		synctest.Wait() // it collects
		c := tel.Reader.(*collection)
		for range 10 {
			all.Go(func() {
				rm, err := c.Snapshot(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if v, _ := valueIn(rm, "asked"); v != 2 {
					t.Errorf("%v, which was collected before the question", v)
				}
			})
		}
		synctest.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times at once", n)
		}
		close(release)
		all.Wait()
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times; want 2", n)
		}
		again, err := c.snapshot(t.Context(), time.Second, nil)
		if err != nil || asked.Load() != 2 {
			t.Errorf("an export does not take the snapshot of this second: %v", err)
		}
		time.Sleep(time.Second + 1)
		if later, _ := c.snapshot(t.Context(), time.Second, nil); later == again {
			t.Error("an export takes an old snapshot")
		}
	})
}

// TestCollectIsOwn: the result of Reader.Collect belongs to its caller. If the caller changes it, no snapshot changes.
func TestCollectIsOwn(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	must(tel.MeterProvider.Meter("test").Int64ObservableGauge("fixed", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(7)
		return nil
	})))
	shared := must(tel.Reader.(*collection).Snapshot(t.Context()))
	var own metricdata.ResourceMetrics
	for range 2 {
		if err := tel.Reader.Collect(t.Context(), &own); err != nil {
			t.Fatal(err)
		}
		for _, sm := range own.ScopeMetrics {
			for n := range sm.Metrics {
				if sm.Metrics[n].Name == "fixed" {
					sm.Metrics[n].Data.(metricdata.Gauge[int64]).DataPoints[0].Value = 8
				}
			}
		}
	}
	if v, ok := valueIn(shared, "fixed"); !ok || v != 7 {
		t.Errorf("the snapshot has %v", v)
	}
}
