package judge

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var overflow = attribute.Bool("otel.metric.overflow", true)

// buckets is a histogram in seconds: its measurements up to .25, up to .5 and beyond. folded are those
// of the overflow series.
func buckets(n uint64, counts, folded []uint64) metricdata.Histogram[float64] {
	h := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality}
	for set, counts := range map[attribute.Set][]uint64{attribute.NewSet(attribute.String("route", "/")): counts, attribute.NewSet(overflow): folded} {
		p := metricdata.HistogramDataPoint[float64]{Attributes: set, Bounds: []float64{.25, .5}, BucketCounts: make([]uint64, 3)}
		for i, c := range counts {
			p.BucketCounts[i] = n * c
			p.Count += n * c
		}
		h.DataPoints = append(h.DataPoints, p)
	}
	return h
}

// TestDoubt: if a count is only known to lie between two numbers, the rule fails if the lower one is too high, passes
// if the upper one is low enough, and otherwise warns. The reason says why the count is not known.
func TestDoubt(t *testing.T) {
	const none = "0.45 is not a bucket boundary of m: take one of its own (0.25, 0.5), or add it to the buckets; in a MeterProvider Monitor.View does that"
	const folded = "; 40 measurements went to the overflow series (cardinality limit)"
	route := rule.Increase("m").Where("route", "/")
	limit := rule.Above(450 * time.Millisecond)
	share := func(ms time.Duration) rule.Indicator { return rule.ShareAbove(ms*time.Millisecond, "m") }
	for _, c := range []struct {
		why            string
		rule           rule.Rule
		counts, folded []uint64
		want           verdict.State
		reason         string
	}{
		{"too many for certain", rule.Rule{Value: rule.Quantile(.9, "m"), Fail: limit}, []uint64{80, 0, 20}, nil, verdict.Fail, "p90 over 0.5 s of at most 0.45"},
		{"few enough for certain", rule.Rule{Value: rule.Quantile(.9, "m"), Fail: limit}, []uint64{95, 3, 2}, nil, verdict.Pass, none},
		{"neither", rule.Rule{Value: rule.Quantile(.9, "m"), Fail: limit}, []uint64{80, 15, 5}, nil, verdict.Warn, "can't tell: between 5 and 20 % are over 0.45 s, and p90 allows 10 %; " + none},
		{"a share", rule.Rule{Value: share(450), Fail: rule.Above(.1)}, []uint64{80, 15, 5}, nil, verdict.Warn, "can't tell: between 5 and 20 % of at most 10 %; " + none},
		{"over the warning for certain", rule.Rule{Value: share(450), Fail: rule.Above(.3), Warn: rule.Above(.02)}, []uint64{80, 15, 5}, nil, verdict.Warn, "8 %, warns above 2 %"},
		{"perhaps over both", rule.Rule{Value: share(450), Fail: rule.Above(.1), Warn: rule.Above(.02)}, []uint64{80, 15, 5}, nil, verdict.Warn, "can't tell: between 5 and 20 % of at most 10 %; " + none},
		{"a lower limit", rule.Rule{Value: share(450), Warn: rule.Below(.1)}, []uint64{80, 15, 5}, nil, verdict.Warn, "can't tell: between 5 and 20 %, warns below 10 %; " + none},
		{"nothing is folded", rule.Rule{Value: share(500).Where("route", "/"), Fail: rule.Above(.1)}, []uint64{100, 0, 5}, nil, verdict.Pass, ""},
		{"folded, and few are slow", rule.Rule{Value: share(500).Where("route", "/"), Fail: rule.Above(.1)}, []uint64{200, 0, 0}, []uint64{30, 0, 10}, verdict.Pass, ""},
		{"folded, and perhaps too many", rule.Rule{Value: share(500).Where("route", "/"), Fail: rule.Above(.1)}, []uint64{50, 0, 0}, []uint64{30, 0, 10}, verdict.Warn, "can't tell: between 0 and 16.6667 % of at most 10 %" + folded},
		{"slow with any folded events", rule.Rule{Value: share(500).Where("route", "/"), Fail: rule.Above(.1)}, []uint64{0, 0, 50}, []uint64{40, 0, 0}, verdict.Fail, "100 % of at most 10 %"},
		{"a count", rule.Rule{Value: route, Fail: rule.Above(70)}, []uint64{50, 0, 0}, []uint64{40, 0, 0}, verdict.Warn, "can't tell: between 50 and 90 of at most 70" + folded},
		{"perhaps too few", rule.Rule{Value: share(500).Where("route", "/"), MinEvents: 10, Fail: rule.Above(.5)}, []uint64{0, 0, 9}, []uint64{0, 0, 1}, verdict.Warn, "can't tell: perhaps too few events, 100 % of at most 50 %; 1 measurement went to the overflow series (cardinality limit)"},
		{"of at least", rule.Rule{Value: route, Fail: rule.Below(70)}, []uint64{50, 0, 0}, []uint64{40, 0, 0}, verdict.Warn, "can't tell: between 50 and 90 of at least 70" + folded},
		{"a group that may be in there", rule.Rule{Value: rule.Increase("m"), Per: []string{"route"}, Fail: rule.Above(35)}, nil, []uint64{40, 0, 0}, verdict.Warn, "can't tell: between 0 and 40 of at most 35 (otel.metric.overflow=true)" + folded},
	} {
		t.Run(c.why, func(t *testing.T) {
			now := time.Now()
			c.rule.Window = 10 * time.Second
			r, s := newRule(c.rule, false, now, 0)
			s.Sample(now, collection("s", buckets(0, c.counts, c.folded)))
			for range 10 { // until the window of a lower limit is full
				now = now.Add(time.Second)
				s.Sample(now, collection("s", buckets(1, c.counts, c.folded)))
			}
			f := r.Evaluate(memory.Instant{Now: now})
			if f.State != c.want || f.Reason != c.reason {
				t.Errorf("%s (%s); want %s (%s)", f.State, f.Reason, c.want, c.reason)
			}
		})
	}
}

// TestHiddenSeries: if series of a gauge are folded into the overflow series, the rule warns. A known series still
// fails.
func TestHiddenSeries(t *testing.T) {
	for limit, want := range map[int]verdict.State{80: verdict.Warn, 10: verdict.Fail} {
		now := time.Now()
		r, s := newRule(rule.Rule{Value: rule.Last("m"), Per: []string{"q"}, Fail: rule.Above(limit)}, false, now, 0)
		s.Sample(now, collection("", gauge(point(50, attribute.String("q", "a")), point(99, overflow))))
		if f := r.Evaluate(memory.Instant{Now: now}); f.State != want {
			t.Errorf("at most %d: %s (%s)", limit, f.State, f.Reason)
		}
	}
}

// TestUnreadable: if evidence becomes unreadable in all instances at once, none is ejected, and an ejected one comes
// back in time. If it never was readable, the rule is unknown.
func TestUnreadable(t *testing.T) {
	unreadable := func(d *trafficRule) Finding {
		d.now = d.now.Add(time.Second)
		c := collection("s", latency(d.good, d.bad))
		c["m"] = append(c["m"], evidence.Metric{Name: "m", Unit: "ms", Data: latency(1, 1), Scope: instrumentation.Scope{Name: "another library"}})
		d.samples.Sample(d.now, c)
		return d.evaluate()
	}
	const why = `m exists twice: add .Scope("") for the histogram in "s", or .Scope("another library") for the histogram in "ms"; not ejected until its traffic is known`
	for name, d := range map[string]*trafficRule{"before traffic": newTrafficRule(true, 0, 0), "with traffic": used(0, 100)} {
		for n := range 600 {
			if f := unreadable(d); f.State != verdict.Warn || f.Reason != why {
				t.Fatalf("%s, after %d s: %s (%s)", name, n, f.State, f.Reason)
			}
		}
		if s := d.second(1, 0); s != verdict.Pass {
			t.Errorf("%s, readable again: %s", name, s)
		}
	}

	out := used(0, 100)
	out.until(verdict.Fail, 50, 50)
	began := out.now
	for unreadable(out).State == verdict.Fail && out.now.Sub(began) < time.Hour {
	}
	if took := out.now.Sub(began); took != ejectionTime {
		t.Errorf("ejected for %v", took)
	}

	never := &trafficRule{now: time.Now()}
	never.Rule, never.samples = newRule(rule.Rule{Value: rule.Quantile(.99, "m"), Fail: rule.Above(500 * time.Millisecond)}, true, never.now, 0)
	if f := unreadable(never); f.State != verdict.Unknown {
		t.Errorf("never readable: %s (%s)", f.State, f.Reason)
	}
}
