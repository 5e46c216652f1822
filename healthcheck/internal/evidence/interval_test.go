package evidence

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// An event is one measurement, as the service sees it.
type event struct {
	at     time.Time
	value  float64
	tenant string
	code   string
}

// A stream is a random service with the real SDK. It has a histogram and a counter with few series. Its random limit
// may be on a bucket boundary or not.
type stream struct {
	*rand.Rand
	now    time.Time
	events []event
	reader *sdkmetric.ManualReader
	hist   metric.Float64Histogram
	count  metric.Int64Counter
	limit  float64
	spread float64
}

func newStream(seed uint64) *stream {
	s := &stream{Rand: rand.New(rand.NewPCG(seed, 14)), now: time.Unix(1e9, 0)}
	buckets := sdkmetric.Aggregation(sdkmetric.AggregationExplicitBucketHistogram{Boundaries: [][]float64{{.01, .1, .5, 1, 5}, {.3}, {}, {0, .25, .75}}[s.IntN(4)]})
	if s.IntN(2) == 0 {
		buckets = sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: int32(4 + s.IntN(157)), MaxScale: int32(s.IntN(21))}
	}
	s.reader = sdkmetric.NewManualReader()
	options := []sdkmetric.Option{sdkmetric.WithReader(s.reader), sdkmetric.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: "took"}, sdkmetric.Stream{Aggregation: buckets}))}
	if s.IntN(2) == 0 {
		options = append(options, sdkmetric.WithCardinalityLimit(2+s.IntN(8)))
	}
	meter := sdkmetric.NewMeterProvider(options...).Meter("")
	s.hist, _ = meter.Float64Histogram("took", metric.WithUnit("s"))
	s.count, _ = meter.Int64Counter("done")
	s.limit = []float64{.25, .3, .5, 1, math.Exp(s.NormFloat64() - 1), 0, -.5}[s.IntN(7)]
	s.spread = .2 + 2*s.Float64()
	return s
}

// second records some events and collects.
func (s *stream) second(t *testing.T) Catalog {
	for range s.IntN(12) {
		e := event{s.now, s.limit * math.Exp(s.spread*(s.NormFloat64()-1.2)), fmt.Sprint(s.IntN(4)), "200"}
		switch s.IntN(12) {
		case 0:
			e.value = s.limit
		case 1:
			e.value = -e.value
		case 2:
			e.value *= 1e6 // makes the scale smaller
		case 3:
			e.value = 0
		}
		if s.IntN(9) == 0 || e.tenant == "3" {
			e.code = "500"
		}
		s.events = append(s.events, e)
		set := metric.WithAttributes(attribute.String("tenant", e.tenant), attribute.String("code", e.code))
		s.hist.Record(context.Background(), e.value, set)
		s.count.Add(context.Background(), 1, set)
	}
	s.now = s.now.Add(time.Second)
	var rm metricdata.ResourceMetrics
	if err := s.reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	return NewCatalog(&rm)
}

// truth returns the value of a group, calculated from the events, and whether there are enough events.
func (s *stream) truth(kind string, tenant string, span time.Duration, least float64) (value float64, enough bool) {
	var bad, all float64
	for _, e := range s.events {
		if s.now.Sub(e.at) > span || tenant != "" && e.tenant != tenant {
			continue
		}
		all++
		if kind == "ratio" && e.code == "500" || kind != "ratio" && e.value > s.limit {
			bad++
		}
	}
	if kind == "increase" {
		return all, true
	}
	return bad / all, all >= least
}

// TestIntervals: no verdict is wrong for random windows of the real SDK, with limits off the boundaries, exponential
// histograms that change their scale, and series that overflow. A certain crossing is true, the range of a doubt
// contains the true value, and an exact value is never in doubt.
func TestIntervals(t *testing.T) {
	const span = 5 * time.Second
	judged, doubts, certain := 0, 0, 0
	for seed := range uint64(150) {
		s := newStream(seed)
		in := rule.Increase("done")
		per := []string(nil)
		if s.IntN(2) == 0 {
			per = []string{"tenant"}
		}
		least := 1 + s.IntN(10)
		of := func(v rule.Indicator, limit float64) *Sampler {
			r := rule.Rule{Value: v, Window: span, Per: per, MinEvents: least, Fail: rule.Above(limit)}
			return NewSampler(queryOf(r), s.IntN(2) == 0, synchronous)
		}
		share := .05 + .9*s.Float64()
		bound := time.Duration(s.limit * 1e9)
		s.limit = bound.Seconds()
		samplers := map[string]*Sampler{
			"share": of(rule.ShareAbove(bound, "took"), share),
			"ratio": of(rule.Ratio(in.Where("code", "500"), in), share),
		}
		r := rule.Rule{Value: rule.Quantile(1-share, "took"), Window: span, Per: per, MinEvents: least, Fail: rule.Above(bound)}
		samplers["quantile"] = NewSampler(queryOf(r), false, synchronous)
		many := float64(1 + s.IntN(30))
		r = rule.Rule{Value: in, Window: span, Per: per, Fail: rule.Above(many)}
		samplers["increase"] = NewSampler(queryOf(r), false, synchronous)
		for n := range 25 {
			c := s.second(t)
			for kind, sampler := range samplers {
				sampler.Sample(s.now, c)
				got := read(sampler)
				if got.Problem != "" {
					t.Fatalf("seed %d, %s: %s", seed, kind, got.Problem)
				}
				if n < 5 {
					continue // events before the first collection are no growth
				}
				limit := share
				if kind == "increase" {
					limit = many
				}
				known := map[string]bool{}
				unknown := false
				for _, m := range got.Groups {
					tenant := ""
					if v, ok := m.Group.Value("tenant"); ok {
						tenant = v.AsString()
					} else if m.Group.Len() > 0 {
						unknown = true
						continue
					}
					known[tenant] = true
					truth, enough := s.truth(kind, tenant, span, float64(least))
					crossed := enough && truth > limit
					judged++
					switch {
					case m.Crossed != nil:
						certain++
						if !crossed {
							t.Fatalf("seed %d, %d s, %s %q: crossed; in truth %v of at most %v", seed, n, kind, tenant, truth, limit)
						}
					case m.Doubt != nil:
						doubts++
						if enough && !(truth >= m.Doubt.Low-1e-9 && truth <= m.Doubt.High+1e-9) {
							t.Fatalf("seed %d, %d s, %s %q: in truth %v, and the doubt is %+v", seed, n, kind, tenant, truth, *m.Doubt)
						}
						if got.Folded == 0 && got.Inexact == nil && sampler.ledger.grid == nil {
							t.Fatalf("seed %d, %d s, %s %q: a doubt without a reason: %+v", seed, n, kind, tenant, *m.Doubt)
						}
					case crossed:
						t.Fatalf("seed %d, %d s, %s %q: not crossed; in truth %v of at most %v: %+v", seed, n, kind, tenant, truth, limit, m)
					}
				}
				for _, tenant := range []string{"", "0", "1", "2", "3"} {
					if (tenant == "") != (per == nil) || known[tenant] || unknown {
						continue
					}
					if truth, enough := s.truth(kind, tenant, span, float64(least)); enough && truth > limit {
						t.Fatalf("seed %d, %d s, %s %q: nobody judges it; in truth %v of at most %v", seed, n, kind, tenant, truth, limit)
					}
				}
			}
		}
	}
	t.Logf("%d judged, %d certain, %d in doubt", judged, certain, doubts)
	if certain < judged/20 || doubts < judged/50 || doubts > judged/2 {
		t.Errorf("%d judged, %d certain, %d in doubt: the streams prove little", judged, certain, doubts)
	}
}
