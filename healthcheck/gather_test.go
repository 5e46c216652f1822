package healthcheck

import (
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

const (
	cum   = metricdata.CumulativeTemporality
	delta = metricdata.DeltaTemporality
)

func set(kv ...string) attribute.Set {
	var a []attribute.KeyValue
	for i := 0; i+1 < len(kv); i += 2 {
		a = append(a, attribute.String(kv[i], kv[i+1]))
	}
	return attribute.NewSet(a...)
}

func point[N int64 | float64](v N, kv ...string) metricdata.DataPoint[N] {
	return metricdata.DataPoint[N]{Attributes: set(kv...), Value: v}
}

func gauge(points ...metricdata.DataPoint[float64]) metricdata.Aggregation {
	return metricdata.Gauge[float64]{DataPoints: points}
}

func counter(t metricdata.Temporality, points ...metricdata.DataPoint[int64]) metricdata.Aggregation {
	return metricdata.Sum[int64]{DataPoints: points, Temporality: t, IsMonotonic: true}
}

func hist(t metricdata.Temporality, bounds []float64, counts []uint64, kv ...string) metricdata.Aggregation {
	var n uint64
	for _, c := range counts {
		n += c
	}
	return metricdata.Histogram[float64]{Temporality: t, DataPoints: []metricdata.HistogramDataPoint[float64]{
		{Attributes: set(kv...), Bounds: bounds, BucketCounts: counts, Count: n}}}
}

// collection is one collection of the metric "m", each part from a scope of its
// own.
func collection(unit string, parts ...metricdata.Aggregation) evidence.Catalog {
	c := evidence.Catalog{}
	for _, p := range parts {
		c["m"] = append(c["m"], metricdata.Metrics{Name: "m", Unit: unit, Data: p})
	}
	return c
}

// TestFirstReading says what a rule's first reading is: the state, or the
// problem.
func TestFirstReading(t *testing.T) {
	const w = time.Minute
	overflow := metricdata.DataPoint[float64]{Attributes: attribute.NewSet(attribute.Bool("otel.metric.overflow", true)), Value: 5}
	cases := []struct {
		why   string
		limit Limit
		data  evidence.Catalog
		want  string // state, or part of the problem
		value float64
	}{
		{"a gauge under its limit", Last("m").AtMost(80), collection("", gauge(point(80.0))), "pass", 80},
		{"a gauge over it", Last("m").AtMost(80), collection("", gauge(point(80.5))), "fail", 80.5},
		{"a gauge under its lower limit", Last("m").AtLeast(2), collection("", gauge(point(1.0))), "fail", 1},
		{"between warning and failing", Last("m").AtMost(80).WarnAbove(50), collection("", gauge(point(60.0))), "warn", 60},
		{"beyond both: the worse one", Last("m").WarnAbove(50).AtMost(80), collection("", gauge(point(90.0))), "fail", 90},
		{"two series are ambiguous", Last("m").AtMost(80), collection("", gauge(point(1.0, "q", "a"), point(2.0, "q", "b"))), "more than one series", 0},
		{"narrowed to one", Last("m").Where("q", "b").AtMost(1), collection("", gauge(point(1.0, "q", "a"), point(2.0, "q", "b"))), "fail", 2},
		{"narrowed the other way", Last("m").WhereNot("q", "b").AtMost(1), collection("", gauge(point(1.0, "q", "a"), point(2.0, "q", "b"))), "pass", 1},
		{"only what has no such attribute", Last("m").Where("e", "").AtMost(1), collection("", gauge(point(1.0), point(2.0, "e", "b"))), "pass", 1},
		{"only what has it", Last("m").WhereNot("e", "").AtMost(1), collection("", gauge(point(1.0), point(2.0, "e", "b"))), "fail", 2},
		{"the worst of the groups decides", Last("m").Per("q").AtMost(1), collection("", gauge(point(1.0, "q", "a"), point(2.0, "q", "b"))), "fail", 2},
		{"the lowest of the groups decides", Last("m").Per("q").AtLeast(2), collection("", gauge(point(1.0, "q", "a"), point(0.0, "q", "b"))), "fail", 0},
		{"a NaN", Last("m").AtMost(80), collection("", gauge(point(math.NaN()))), "NaN", 0},
		{"an infinite value", Last("m").AtMost(80), collection("", gauge(point(math.Inf(1)))), "Inf", 0},
		{"a counter is no level", Last("m").AtMost(80), collection("", counter(cum, point(int64(1)))), "of kind counter", 0},
		{"an age of a counter", Age("m").AtMost(80), collection("s", counter(cum, point(int64(1)))), "of kind counter", 0},
		{"a gauge has no increase", Increase("m", w).AtMost(80), collection("", gauge(point(1.0))), "of kind gauge", 0},
		{"delta temporality", Increase("m", w).AtMost(80), collection("", counter(delta, point(int64(1)))), "not cumulative", 0},
		{"a negative count", Increase("m", w).AtMost(80), collection("", counter(cum, point(int64(-1)))), "negative", 0},
		{"two units", Last("m").AtMost(80), append2(collection("s", gauge(point(1.0))), collection("ms", gauge(point(1.0)))), "exists twice", 0},
		{"two kinds", Last("m").AtMost(80), collection("s", gauge(point(1.0)), counter(cum, point(int64(1)))), "exists twice", 0},
		{"mixed bounds", Over("m", 1, w).AtMost(.1), collection("s", hist(cum, []float64{1}, []uint64{1, 1}, "a", "a"), hist(cum, []float64{1, 2}, []uint64{1, 1, 1}, "a", "b")), "different bucket boundaries", 0},
		{"mixed bounds, at first none", Over("m", 1, w).AtMost(.1), collection("s", hist(cum, nil, []uint64{1}), hist(cum, []float64{1}, []uint64{1, 1})), "different bucket boundaries", 0},
		{"counts that don't fit the bounds", Over("m", 1, w).AtMost(.1), collection("s", hist(cum, []float64{1}, []uint64{1})), "malformed", 0},
		{"unsorted bounds", Over("m", 1, w).AtMost(.1), collection("s", hist(cum, []float64{2, 1}, []uint64{1, 1, 1})), "malformed", 0},
		{"a limit that is no boundary", Quantile("m", .9, w).AtMost(1.5), collection("s", hist(cum, []float64{1, 2}, []uint64{1, 1, 1})), "no bucket boundary", 0},
		{"an exponential histogram has no boundary", Over("m", 1, w).AtMost(.1), collection("s", metricdata.ExponentialHistogram[float64]{Temporality: cum}), "exponential histogram", 0},
		{"a summary", Last("m").AtMost(1), collection("s", metricdata.Summary{}), "can't be judged", 0},
		{"no data at all", Last("m").AtMost(1), collection("s", nil), "can't be judged", 0},
		{"a ratio of two gauges", Ratio(Last("m").Where("q", "a"), Last("m").Where("q", "b")).AtMost(.4), collection("", gauge(point(1.0, "q", "a"), point(2.0, "q", "b"))), "fail", .5},
		{"a gauge without a value is no zero", Ratio(Last("m").Where("q", "a"), Last("m").Where("q", "b")).AtMost(.4), collection("", gauge(point(2.0, "q", "b"))), "", 0},
		{"an overflow series beside a filter", Last("m").Where("q", "a").AtMost(80), collection("", gauge(point(1.0, "q", "a"), overflow)), "overflow", 0},
		{"the first snapshot is the baseline", Increase("m", w).AtMost(80), collection("", counter(cum, point(int64(100)))), "pass", 0},
	}
	for _, c := range cases {
		t.Run(c.why, func(t *testing.T) {
			s := evidence.NewSampler((*query.Limit)(&c.limit), false, synchronous)
			s.Sample(time.Now(), c.data)
			r, _ := s.Reading()
			if r.Problem != "" || len(r.Groups) == 0 {
				if c.want == "pass" || c.want == "fail" || c.want == "warn" || !strings.Contains(r.Problem, c.want) {
					t.Fatalf("problem %q, want %q", r.Problem, c.want)
				}
				return
			}
			rule := ruleOf(Check{Limit: c.limit}, s, foreign, time.Now(), 0)
			f := rule.Assess(memory.Moment{Now: time.Now()})
			if string(f.State) != c.want || f.Value != c.value {
				t.Errorf("%s %v (%s), want %s %v", f.State, f.Value, f.Output, c.want, c.value)
			}
		})
	}
}

func append2(a, b evidence.Catalog) evidence.Catalog {
	a["m"] = append(a["m"], b["m"]...)
	return a
}

// TestWindows feeds collections second by second and says what the rule makes of
// them at the end.
func TestWindows(t *testing.T) {
	type step struct {
		n    int // seconds
		data func(i int) evidence.Catalog
	}
	counts := func(good, bad uint64) evidence.Catalog {
		return collection("s", hist(cum, []float64{.5}, []uint64{good, bad}))
	}
	codes := func(ok, bad int64) evidence.Catalog {
		return collection("s", counter(cum, point(ok, "code", "200"), point(bad, "code", "500")))
	}
	const w = 30 * time.Second
	p99 := Quantile("m", .99, w).MinCount(1).AtMost(.5)
	errorRatio := Ratio(Increase("m", w).Where("code", "500"), Increase("m", w)).MinCount(1).AtMost(.05)
	cases := []struct {
		why   string
		limit Limit
		steps []step
		want  State
		value float64
		empty bool
	}{
		{"exactly 1 % beyond is within", p99, []step{{1, func(int) evidence.Catalog { return counts(0, 0) }}, {1, func(int) evidence.Catalog { return counts(99, 1) }}}, Pass, .5, false},
		{"one more is not", p99, []step{{1, func(int) evidence.Catalog { return counts(0, 0) }}, {1, func(int) evidence.Catalog { return counts(98, 2) }}}, Fail, .5, false},
		{"what was there before the first snapshot does not count", p99, []step{{2, func(int) evidence.Catalog { return counts(0, 500) }}}, Pass, 0, true},
		{"a series that appears later began at zero", p99, []step{{1, func(int) evidence.Catalog { return evidence.Catalog{} }}, {1, func(int) evidence.Catalog { return counts(0, 5) }}}, Fail, .5, false},
		{"it leaves the window", p99, []step{{1, func(int) evidence.Catalog { return counts(0, 0) }}, {32, func(int) evidence.Catalog { return counts(0, 5) }}}, Pass, 0, true},
		{"and is in it till then", p99, []step{{1, func(int) evidence.Catalog { return counts(0, 0) }}, {30, func(int) evidence.Catalog { return counts(0, 5) }}}, Fail, .5, false},
		{"a decrease is a reset, not a huge growth", p99, []step{{1, func(int) evidence.Catalog { return counts(1000, 10) }}, {1, func(int) evidence.Catalog { return counts(5, 0) }}, {1, func(int) evidence.Catalog { return counts(10, 0) }}}, Pass, .495, false},
		{"a ratio of errors", errorRatio, []step{{1, func(int) evidence.Catalog { return codes(0, 0) }}, {1, func(int) evidence.Catalog { return codes(94, 6) }}}, Fail, .06, false},
		{"a ratio at its limit", errorRatio, []step{{1, func(int) evidence.Catalog { return codes(0, 0) }}, {1, func(int) evidence.Catalog { return codes(95, 5) }}}, Pass, .05, false},
		{"too few to judge", Ratio(Increase("m", w).Where("code", "500"), Increase("m", w)).AtMost(.05), []step{{1, func(int) evidence.Catalog { return codes(0, 0) }}, {1, func(int) evidence.Catalog { return codes(0, 9) }}}, Pass, 0, true},
		{"enough by the default", Ratio(Increase("m", w).Where("code", "500"), Increase("m", w)).AtMost(.05), []step{{1, func(int) evidence.Catalog { return codes(0, 0) }}, {1, func(int) evidence.Catalog { return codes(0, 10) }}}, Fail, 1, false},
		{"no errors yet: the numerator has no series", errorRatio, []step{{1, func(int) evidence.Catalog { return collection("s", counter(cum, point(int64(0), "code", "200"))) }}, {1, func(int) evidence.Catalog { return collection("s", counter(cum, point(int64(50), "code", "200"))) }}}, Pass, 0, false},
		{"growth is of the window", Increase("m", w).AtMost(29), []step{{100, func(i int) evidence.Catalog { return codes(int64(i), 0) }}}, Fail, 30, false},
		{"share over a bound", Over("m", .5, w).MinCount(1).AtMost(.25), []step{{1, func(int) evidence.Catalog { return counts(0, 0) }}, {1, func(int) evidence.Catalog { return counts(70, 30) }}}, Fail, .3, false},
	}
	for _, c := range cases {
		t.Run(c.why, func(t *testing.T) {
			s := evidence.NewSampler((*query.Limit)(&c.limit), false, synchronous)
			at, n := time.Now(), 0
			for _, st := range c.steps {
				for range st.n {
					s.Sample(at, st.data(n))
					at, n = at.Add(time.Second), n+1
				}
			}
			f := ruleOf(Check{Limit: c.limit}, s, foreign, at, 0).Assess(memory.Moment{Now: at})
			if f.State != c.want || f.HasValue == c.empty || math.Abs(f.Value-c.value) > 1e-9 {
				t.Errorf("%s %v (has value: %v; %s); want %s %v", f.State, f.Value, f.HasValue, f.Output, c.want, c.value)
			}
		})
	}
}

// TestOverflowHidesNothing: with series folded away, a filtered rule can't be
// trusted and says so; an unfiltered one counts them.
func TestOverflowHidesNothing(t *testing.T) {
	at := time.Now()
	data := func(ok, hidden int64) evidence.Catalog {
		return collection("s", counter(cum, point(ok, "code", "200"),
			metricdata.DataPoint[int64]{Attributes: attribute.NewSet(attribute.Bool("otel.metric.overflow", true)), Value: hidden}))
	}
	in := Increase("m", time.Minute)
	filtered := evidence.NewSampler((*query.Limit)(ptr(Ratio(in.Where("code", "500"), in).AtMost(.05))), false, synchronous)
	plain := evidence.NewSampler((*query.Limit)(ptr(in.AtMost(50))), false, synchronous)
	for _, s := range []*evidence.Sampler{filtered, plain} {
		s.Sample(at, data(0, 0))
		s.Sample(at.Add(time.Second), data(1, 100))
	}
	if p := first(filtered.Reading()).Problem; !strings.Contains(p, "overflow") {
		t.Errorf("filtered: problem %q", p)
	}
	if r, _ := plain.Reading(); r.Problem != "" || r.Groups[0].Value != 101 {
		t.Errorf("unfiltered: %q %+v", r.Problem, r.Groups)
	}
}

func ptr[T any](v T) *T { return &v }

// TestQuantile compares with figures worked out by hand.
func TestQuantile(t *testing.T) {
	bounds := []float64{1, 2, 4}
	for _, c := range []struct {
		q      float64
		counts evidence.Amounts
		want   float64
	}{
		{.5, evidence.Amounts{10, 0, 0, 0}, .5},
		{.5, evidence.Amounts{0, 10, 0, 0}, 1.5},
		{.9, evidence.Amounts{5, 4, 1, 0}, 2},
		{.95, evidence.Amounts{5, 4, 1, 0}, 3},
		{.99, evidence.Amounts{0, 0, 0, 7}, 4}, // beyond the last boundary
		{1e-9, evidence.Amounts{0, 1, 0, 0}, 1 + 1e-9},
	} {
		if got := evidence.Quantile(c.q, c.counts, bounds); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.q, c.counts, got, c.want)
		}
	}
}

func synchronous(string) bool { return false }

// TestAbsentGroup: what was away for one collection has not grown by all that it
// ever counted.
func TestAbsentGroup(t *testing.T) {
	for name, observed := range map[string]bool{"synchronous": false, "observable": true} {
		t.Run(name, func(t *testing.T) {
			limit := Increase("m", 30*time.Second).AtMost(10)
			s := evidence.NewSampler((*query.Limit)(&limit), false, func(string) bool { return observed })
			at := time.Now()
			for n, c := range []evidence.Catalog{
				collection("", counter(cum, point(int64(100_000)))), {}, collection("", counter(cum, point(int64(100_005)))),
			} {
				s.Sample(at.Add(time.Duration(n)*time.Second), c)
			}
			if r, _ := s.Reading(); len(r.Groups) != 1 || r.Groups[0].Value != 5 {
				t.Errorf("%+v; want a growth of 5", r.Groups)
			}
		})
	}
}

// TestNewSeriesOfAnObservable begins where somebody else has counted to.
func TestNewSeriesOfAnObservable(t *testing.T) {
	for observed, want := range map[bool]float64{true: 0, false: 100_001} {
		limit := Increase("m", 30*time.Second).AtMost(10)
		s := evidence.NewSampler((*query.Limit)(&limit), false, func(string) bool { return observed })
		at := time.Now()
		s.Sample(at, collection("", counter(cum, point(int64(1), "a", "1"))))
		s.Sample(at.Add(time.Second), collection("", counter(cum, point(int64(2), "a", "1"), point(int64(100_000), "a", "2"))))
		if r, _ := s.Reading(); r.Groups[0].Value != want {
			t.Errorf("observable %v: growth %v, want %v", observed, r.Groups[0].Value, want)
		}
	}
}

// TestLowerLimitWaits for its window: one second without a job is not a minute
// without one.
func TestLowerLimitWaits(t *testing.T) {
	limit := Increase("m", time.Minute).AtLeast(1)
	s := evidence.NewSampler((*query.Limit)(&limit), false, synchronous)
	r := ruleOf(Check{Limit: limit}, s, foreign, time.Now(), 0)
	at := time.Now()
	for n := range 62 {
		now := at.Add(time.Duration(n) * time.Second)
		s.Sample(now, collection("", counter(cum, point(int64(7)))))
		want := Pass
		if n >= 60 {
			want = Fail
		}
		if f := r.Assess(memory.Moment{Now: now}); f.State != want {
			t.Fatalf("after %d s: %s (%s), want %s", n, f.State, f.Output, want)
		}
	}
}

func first[A, B any](a A, _ B) A { return a }
