package judge

import (
	"math"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// tape turns a fuzzer's bytes into choices. After the last byte it returns zeros.
type tape struct{ bytes []byte }

func (p *tape) next(n int) int {
	if len(p.bytes) == 0 {
		return 0
	}
	b := p.bytes[0]
	p.bytes = p.bytes[1:]
	return int(b) % n
}

func (p *tape) number() float64 {
	return []float64{0, 1, -1, .3, 50, 1e300, -1e300, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324}[p.next(12)]
}

func (p *tape) attrs() attribute.Set {
	code, route := attribute.Key("code"), attribute.Key("route")
	return []attribute.Set{{}, attribute.NewSet(code.String("500")), attribute.NewSet(code.String("200"), route.String("/")), attribute.NewSet(route.String("\xff")),
		attribute.NewSet(attribute.Bool("otel.metric.overflow", true)),
		attribute.NewSet(attribute.String("otel.metric.overflow", "true"), attribute.Int("code", 500))}[p.next(6)]
}

func (p *tape) bounds() []float64 {
	return [][]float64{{.1, .3, 1}, {.3}, {.1, .3, 1, 2}, {1, .3}, {.3, math.NaN()}, {.3, .3}, nil, {math.Inf(-1), .3, math.Inf(1)}, {-1, 0, .3}}[p.next(9)]
}

func many[P any](p *tape, one func() P) (list []P) {
	for range p.next(4) {
		list = append(list, one())
	}
	return list
}

func numbers[N int64 | float64](p *tape) []metricdata.DataPoint[N] {
	return many(p, func() metricdata.DataPoint[N] {
		return metricdata.DataPoint[N]{Attributes: p.attrs(), Value: N(p.number())}
	})
}

func histograms[N int64 | float64](p *tape) []metricdata.HistogramDataPoint[N] {
	return many(p, func() metricdata.HistogramDataPoint[N] {
		d := metricdata.HistogramDataPoint[N]{Attributes: p.attrs(), Bounds: p.bounds(), Count: uint64(p.next(256)), Sum: N(p.number())}
		for range max(0, len(d.Bounds)+1+[]int{0, 0, 0, 1, -1, -9}[p.next(6)]) {
			d.BucketCounts = append(d.BucketCounts, []uint64{0, 1, 7, 100, math.MaxUint64}[p.next(5)])
		}
		return d
	})
}

func exponentials[N int64 | float64](p *tape) []metricdata.ExponentialHistogramDataPoint[N] {
	return many(p, func() metricdata.ExponentialHistogramDataPoint[N] {
		return metricdata.ExponentialHistogramDataPoint[N]{Attributes: p.attrs(), Count: uint64(p.next(256))}
	})
}

func (p *tape) data() metricdata.Aggregation {
	const cumulative = metricdata.CumulativeTemporality
	t := []metricdata.Temporality{cumulative, cumulative, cumulative, metricdata.DeltaTemporality, metricdata.Temporality(9)}[p.next(5)]
	switch p.next(12) {
	case 0:
		return metricdata.Gauge[int64]{DataPoints: numbers[int64](p)}
	case 1:
		return metricdata.Gauge[float64]{DataPoints: numbers[float64](p)}
	case 2:
		return metricdata.Sum[int64]{DataPoints: numbers[int64](p), Temporality: t, IsMonotonic: p.next(3) > 0}
	case 3:
		return metricdata.Sum[float64]{DataPoints: numbers[float64](p), Temporality: t, IsMonotonic: p.next(3) > 0}
	case 4, 5:
		return metricdata.Histogram[int64]{DataPoints: histograms[int64](p), Temporality: t}
	case 6, 7:
		return metricdata.Histogram[float64]{DataPoints: histograms[float64](p), Temporality: t}
	case 8:
		return metricdata.ExponentialHistogram[int64]{DataPoints: exponentials[int64](p), Temporality: t}
	case 9:
		return metricdata.ExponentialHistogram[float64]{DataPoints: exponentials[float64](p), Temporality: t}
	case 10:
		return metricdata.Summary{}
	}
	return nil
}

func (p *tape) collection() *metricdata.ResourceMetrics {
	return &metricdata.ResourceMetrics{ScopeMetrics: many(p, func() metricdata.ScopeMetrics {
		return metricdata.ScopeMetrics{Metrics: many(p, func() metricdata.Metrics {
			return metricdata.Metrics{Name: []string{"m", "m", "n", ""}[p.next(4)], Unit: []string{"s", "s", "1", "ms"}[p.next(4)], Data: p.data()}
		})}
	})}
}

// FuzzEvaluate: for any data of a source, each kind of rule is in one of the five states, with a
// number or without a value.
func FuzzEvaluate(f *testing.F) {
	const w = 3 * time.Second
	last, growth := rule.Last("m"), rule.Increase("m")
	ms := func(n time.Duration) time.Duration { return n * time.Millisecond }
	all := []rule.Rule{
		{Value: last, Fail: rule.Above(1), Warn: rule.Above(.3)}, {Value: last, Per: []string{"code"}, Fail: rule.Below(.3)},
		{Value: last, Fail: rule.Above(ms(1000)), Warn: rule.Above(ms(300))}, {Value: last, Per: []string{"code"}, Fail: rule.Below(ms(300))},
		{Value: rule.TimeSince("m"), Fail: rule.Above(time.Minute)}, {Value: rule.TimeSince("m").Where("code", "500"), Fail: rule.Above(time.Minute)},
		{Value: growth, Window: w, Fail: rule.Above(10)}, {Value: growth, Window: w, Per: []string{"code", "route"}, Fail: rule.Below(1)},
		{Value: growth.Where("code", "500"), Window: w, Warn: rule.Above(1)}, {Value: growth, Window: w, Fail: rule.Below(ms(10))},
		{Value: rule.ShareAbove(ms(300), "m"), Window: w, MinEvents: 1, Fail: rule.Above(.1)}, {Value: rule.ShareAbove(.3, "m"), Window: w, Per: []string{"route"}, Fail: rule.Above(.1)},
		{Value: rule.Quantile(.99, "m"), Window: w, MinEvents: 1, Fail: rule.Above(ms(300))}, {Value: rule.Quantile(.99, "m"), Window: w, Fail: rule.Above(.3)},
		{Value: rule.Quantile(.5, "m").WhereNot("code", "200"), Window: w, Fail: rule.Above(ms(1000)), Warn: rule.Above(ms(300))},
		{Value: rule.Ratio(growth.Where("code", "500"), growth), Window: w, MinEvents: 1, Fail: rule.Above(.1)},
		{Value: rule.Ratio(rule.Increase("n"), growth), Window: w, Per: []string{"code"}, Fail: rule.Below(.1)},
		{Value: rule.Ratio(rule.Last("n"), last), Fail: rule.Above(1)}, {Value: rule.Ratio(last, rule.Last("n")), Per: []string{"code"}, Fail: rule.Above(1)},
	}
	f.Add([]byte{})
	for kind := range byte(12) {
		one := []byte{1, 1, 0, 0, 0, kind, 1, 1, 0, 100, 0, 1, 2, 3}
		f.Add(slices.Repeat(one, 4))
		f.Add(slices.Concat(one, []byte{2, 1, 0, 0, 1, kind, 2, 2, 1, 2, 3, 1, 2, 2, 1, 2, 3, 4, 5}, one))
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		p := &tape{bytes}
		now := time.Unix(1e9, 0)
		type judged struct {
			*Rule
			samples *evidence.Sampler
		}
		var rules []judged
		for n, r := range all {
			r.For, r.KeepFor = time.Second, time.Second
			for _, ejects := range []bool{false, true} {
				q := &query.Rule{
					Indicator: query.Indicator(r.Value).With(r.Window, r.MinEvents, r.Per),
					Bounds:    query.Bounds(query.Limit(r.Fail), query.Limit(r.Warn)),
				}
				if bad := q.Validate(); len(bad) > 0 {
					t.Fatal(bad)
				}
				s := evidence.NewSampler(q, ejects && q.Indicator.Windowed(), func(string) bool { return n%2 == 0 })
				created := []Creation{NotKnown, Recorded, Observed}[n%3]
				rules = append(rules, judged{NewRule(q, r.For, r.KeepFor, s, func(string) Creation { return created }, now, .5), s})
			}
		}
		for range 5 {
			c := evidence.NewCatalog(p.collection())
			now = now.Add([]time.Duration{time.Second, time.Second, 0, 5 * time.Second, time.Minute, -time.Second}[p.next(6)])
			for _, r := range rules {
				r.samples.Sample(now, c)
				got := r.Evaluate(memory.Instant{Now: now.Add(time.Duration(p.next(2)) * time.Minute)})
				if !slices.Contains(states.CheckStates[:], got.State) {
					t.Fatalf("%+v: state %q", r.rule, got.State)
				}
				if got.State != verdict.Pass && got.Reason == "" {
					t.Fatalf("%+v: %s without a reason", r.rule, got.State)
				}
				if !query.Finite(got.Value) || !query.Finite(got.Share) {
					t.Fatalf("%+v: %s with the value %v, share %v", r.rule, got.State, got.Value, got.Share)
				}
				if got.Rule == nil || len(got.Rule.Bounds) != len(r.rule.Bounds) {
					t.Fatalf("%+v: %s with the bounds %+v", r.rule, got.State, got.Rule)
				}
			}
		}
	})
}
