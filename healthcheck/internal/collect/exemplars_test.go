package collect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

// sampled returns a context with a sampled span.
func sampled(n byte) context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{n}, SpanID: trace.SpanID{n}, TraceFlags: trace.FlagsSampled,
	}))
}

// everything records to one instrument of each kind: a series with exemplars, and one without.
func everything(t *testing.T, mp metric.MeterProvider) {
	m := mp.Meter("test")
	with := metric.WithAttributes(attribute.String("exemplars", "yes"))
	without := metric.WithAttributes(attribute.String("exemplars", "no"))
	ctx := sampled(1)
	background := context.Background()
	h, e1 := m.Float64Histogram("histogram", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1, 2, 3))
	exp, e2 := m.Int64Histogram("exponential")
	c, e3 := m.Int64Counter("counter")
	u, e4 := m.Float64UpDownCounter("updown")
	g, e5 := m.Float64Gauge("gauge", metric.WithDescription("a gauge"))
	_, e6 := m.Int64ObservableGauge("observed", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(7, with)
		return nil
	}))
	for _, err := range []error{e1, e2, e3, e4, e5, e6} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, v := range []float64{.5, 1.5, 2.5, 9} {
		h.Record(sampled(byte(n+1)), v, with)
		h.Record(background, v, without)
	}
	exp.Record(ctx, 3, with)
	exp.Record(background, 3, without)
	c.Add(ctx, 2, with)
	c.Add(background, 2, without)
	u.Add(ctx, -1.5, with)
	u.Add(background, -1.5, without)
	g.Record(ctx, 4.5, with)
	g.Record(background, 4.5, without)
}

// views returns the views of the test, with which an instrument becomes an exponential histogram.
func views() []sdkmetric.View {
	return []sdkmetric.View{sdkmetric.NewView(sdkmetric.Instrument{Name: "exponential"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 20, MaxScale: 3}})}
}

func noLimits(string, string) []float64 { return nil }

// TestSparseExemplars: the exported data is the same with the View and without it, bit for bit, for every kind of
// instrument and both temporalities, and no series has unused memory.
func TestSparseExemplars(t *testing.T) {
	for name, temporality := range map[string]sdkmetric.TemporalitySelector{
		"cumulative": sdkmetric.DefaultTemporalitySelector,
		"delta":      func(sdkmetric.InstrumentKind) metricdata.Temporality { return metricdata.DeltaTemporality },
	} {
		t.Run(name, func(t *testing.T) {
			plain := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(temporality))
			ours := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(temporality))
			everything(t, sdkmetric.NewMeterProvider(sdkmetric.WithReader(plain), sdkmetric.WithView(views()...)))
			everything(t, sdkmetric.NewMeterProvider(sdkmetric.WithReader(ours), sdkmetric.WithView(new(Registry).View(noLimits, views()...))))
			for round := range 3 { // exemplars stay for cumulative readers
				want, _ := lines(t, plain)
				got, unused := lines(t, ours)
				if !slices.Equal(got, want) {
					t.Errorf("round %d:\n%s\nwithout the View:\n%s", round, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if round == 0 && !strings.Contains(strings.Join(got, "\n"), "01000000") {
					t.Error("there is no exemplar")
				}
				if unused > 0 {
					t.Errorf("round %d: room for %d exemplars that do not exist", round, unused)
				}
			}
		})
	}
}

// lines returns the points of a collection without times, and for how many exemplars memory is reserved and unused.
func lines(t *testing.T, r *sdkmetric.ManualReader) (all []string, unused int) {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := r.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			head := fmt.Sprintf("%s %q %s %T ", m.Name, m.Description, m.Unit, m.Data)
			add := func(set attribute.Set, exemplars, point string) {
				all = append(all, head+set.Encoded(attribute.DefaultEncoder())+" "+point+" "+exemplars)
			}
			switch d := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, room(p.Exemplars, &unused), fmt.Sprint(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, room(p.Exemplars, &unused), fmt.Sprint(p.Value))
				}
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, room(p.Exemplars, &unused), fmt.Sprint(p.Value, d.Temporality, d.IsMonotonic))
				}
			case metricdata.Sum[float64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, room(p.Exemplars, &unused), fmt.Sprint(p.Value, d.Temporality, d.IsMonotonic))
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, room(p.Exemplars, &unused), fmt.Sprint(p.Count, p.Sum, p.Bounds, p.BucketCounts, p.Min, p.Max, d.Temporality))
				}
			case metricdata.ExponentialHistogram[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, room(p.Exemplars, &unused), fmt.Sprint(p.Count, p.Sum, p.Scale, p.PositiveBucket, p.NegativeBucket, d.Temporality))
				}
			default:
				t.Fatalf("%s: a %T", m.Name, m.Data)
			}
		}
	}
	slices.Sort(all)
	return all, unused
}

func room[N int64 | float64](exemplars []metricdata.Exemplar[N], unused *int) (text string) {
	if len(exemplars) == 0 { // the SDK drops those of observable instruments, with a slice of the pool
		return ""
	}
	*unused += cap(exemplars) - len(exemplars)
	for _, e := range exemplars {
		text += fmt.Sprintf("%v %x %x %v; ", e.Value, e.TraceID, e.SpanID, e.FilteredAttributes)
	}
	return text
}

// counting counts what a reservoir of the user is asked.
type counting struct{ offered, collected *int }

func (c counting) Offer(context.Context, time.Time, exemplar.Value, []attribute.KeyValue) {
	*c.offered++
}
func (c counting) Collect(dest *[]exemplar.Exemplar) { *c.collected++; *dest = (*dest)[:0] }

// TestOwnExemplars: a view's own reservoir stays, also for series without exemplars.
func TestOwnExemplars(t *testing.T) {
	var offered, collected int
	own := sdkmetric.NewView(sdkmetric.Instrument{Name: "counter"}, sdkmetric.Stream{
		ExemplarReservoirProviderSelector: func(sdkmetric.Aggregation) exemplar.ReservoirProvider {
			return func(attribute.Set) exemplar.Reservoir { return counting{&offered, &collected} }
		},
	})
	r := sdkmetric.NewManualReader()
	everything(t, sdkmetric.NewMeterProvider(sdkmetric.WithReader(r), sdkmetric.WithView(new(Registry).View(noLimits, own))))
	var rm metricdata.ResourceMetrics
	if err := r.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	if offered != 1 || collected != 2 {
		t.Errorf("offered %d, collected %d; want 1 and 2", offered, collected)
	}
}
