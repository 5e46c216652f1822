package evidence

import (
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
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

// collection is one collection of the metric "m". Each part comes from its own scope.
func collection(unit string, parts ...metricdata.Aggregation) Catalog {
	c := Catalog{}
	for _, p := range parts {
		c["m"] = append(c["m"], Metric{Name: "m", Unit: unit, Data: p})
	}
	return c
}

// queryOf converts a rule for package query.
func queryOf(r rule.Rule) *query.Rule {
	return &query.Rule{
		Indicator: query.Indicator(r.Value).With(r.Window, r.MinEvents, r.Per),
		Bounds:    query.Bounds(query.Limit(r.Fail), query.Limit(r.Warn)),
	}
}

func samplerOf(r rule.Rule) *Sampler { return NewSampler(queryOf(r), false, synchronous) }

func synchronous(string) bool { return false }

// read returns the last reading.
func read(s *Sampler) *Reading {
	r, _ := s.Reading()
	return r
}

// edge returns the bound that a measure crosses, or "none" or "empty".
func edge(m Measure) string {
	switch {
	case m.Empty:
		return "empty"
	case m.Crossed == nil:
		return "none"
	}
	return string(m.Crossed.Edge)
}

// TestFirstReading checks a rule's first reading: the crossed bound, or the problem.
func TestFirstReading(t *testing.T) {
	last := rule.Last("m")
	failing := func(value rule.Indicator, fail rule.Limit) rule.Rule { return rule.Rule{Value: value, Fail: fail} }
	above80 := failing(last, rule.Above(80))
	growth := failing(rule.Increase("m"), rule.Above(80))
	both := rule.Rule{Value: last, Fail: rule.Above(80), Warn: rule.Above(50)}
	share := failing(rule.ShareAbove(time.Second, "m"), rule.Above(.1))
	ratio := failing(rule.Ratio(last.Where("q", "a"), last.Where("q", "b")), rule.Above(.4))
	level := func(a, b int64) Catalog {
		return collection("", metricdata.Sum[int64]{Temporality: cum, DataPoints: []metricdata.DataPoint[int64]{point(a, "q", "a"), point(b, "q", "b")}})
	}
	two := collection("", gauge(point(1.0, "q", "a"), point(2.0, "q", "b")))
	some := collection("", gauge(point(1.0), point(2.0, "e", "b")))
	counted := func(t metricdata.Temporality, n int64) Catalog { return collection("", counter(t, point(n))) }
	overflow := metricdata.DataPoint[float64]{Attributes: attribute.NewSet(attribute.Bool("otel.metric.overflow", true)), Value: 5}
	cases := []struct {
		why   string
		rule  rule.Rule
		data  Catalog
		want  string // bound, none, empty, or part of the problem
		value float64
	}{
		{"a gauge at its limit", above80, collection("", gauge(point(80.0))), "none", 80},
		{"a gauge over it", above80, collection("", gauge(point(80.5))), "max.fail", 80.5},
		{"a gauge under its lower limit", failing(last, rule.Below(2)), collection("", gauge(point(1.0))), "min.fail", 1},
		{"between warning and failing", both, collection("", gauge(point(60.0))), "max.warn", 60},
		{"beyond both: the worse one", both, collection("", gauge(point(90.0))), "max.fail", 90},
		{"a lower warning", rule.Rule{Value: last, Fail: rule.Below(2), Warn: rule.Below(5)}, collection("", gauge(point(4.0))), "min.warn", 4},
		{"two series are ambiguous", above80, two, `m: more than one series matches: judge each with Per: {"q"}, choose with Where("q", …) or add .Sum(), .Max() or .Min()`, 0},
		{"two timestamps are", failing(rule.TimeSince("m"), rule.Above(time.Minute)), collection("", gauge(point(1.0), point(2.0, "e", "b"))), `judge each with Per: {"e"}, choose with Where("e", …)`, 0},
		{"two scopes are", above80, collection("", gauge(point(1.0)), gauge(point(2.0))), "m: more than one series matches: choose with .Scope(…) or add", 0},
		{"their sum", failing(last.Sum(), rule.Above(2)), two, "max.fail", 3},
		{"the greatest", failing(last.Max(), rule.Above(1)), two, "max.fail", 2},
		{"the least", failing(last.Min(), rule.Above(1)), two, "none", 1},
		{"an up-down counter is additive", failing(last, rule.Above(2)), level(7, -4), "max.fail", 3},
		{"but not if only one is asked for", failing(last.Where("q", "b"), rule.Above(2)), level(7, -4), "none", -4},
		{"the greatest of an up-down counter", failing(last.Max(), rule.Above(2)), level(-4, 7), "max.fail", 7},
		{"a ratio of sums", failing(rule.Ratio(last, last.Where("q", "a")), rule.Above(.1)), level(5, 5), "max.fail", 2},
		{"a neighbour's NaN", failing(last.Where("q", "a"), rule.Above(1)), collection("", gauge(point(1.0, "q", "a"), point(math.NaN(), "q", "b"))), "none", 1},
		{"a neighbour's negative count", failing(rule.Increase("m").Where("q", "a"), rule.Above(1)), collection("", counter(cum, point(int64(1), "q", "a"), point(int64(-1), "q", "b"))), "none", 0},
		{"a neighbour's bounds", failing(rule.ShareAbove(time.Second, "m").Where("a", "a"), rule.Above(.1)), collection("s", hist(cum, []float64{1}, []uint64{1, 1}, "a", "a"), hist(cum, []float64{2, 1}, []uint64{1}, "a", "b")), "empty", 0},
		{"a NaN in the sum", failing(last.Sum(), rule.Above(1)), collection("", gauge(point(1.0, "q", "a"), point(math.NaN(), "q", "b"))), "m: the value is NaN", 0},
		{"narrowed to one", failing(last.Where("q", "b"), rule.Above(1)), two, "max.fail", 2},
		{"narrowed the other way", failing(last.WhereNot("q", "b"), rule.Above(1)), two, "none", 1},
		{"only what has no such attribute", failing(last.Where("e", ""), rule.Above(1)), some, "none", 1},
		{"only what has it", failing(last.WhereNot("e", ""), rule.Above(1)), some, "max.fail", 2},
		{"a NaN", above80, collection("", gauge(point(math.NaN()))), "NaN", 0},
		{"an infinite value", above80, collection("", gauge(point(math.Inf(1)))), "Inf", 0},
		{"a counter is no level", above80, counted(cum, 1), "of kind counter", 0},
		{"the time since a counter", failing(rule.TimeSince("m"), rule.Above(time.Minute)), counted(cum, 1), "of kind counter", 0},
		{"a gauge has no increase", growth, collection("", gauge(point(1.0))), "of kind gauge", 0},
		{"delta temporality", growth, counted(delta, 1), "not cumulative", 0},
		{"a negative count", growth, counted(cum, -1), "negative", 0},
		{"two units", above80, append2(collection("s", gauge(point(1.0))), collection("ms", gauge(point(1.0)))), "exists twice", 0},
		{"two kinds", above80, collection("s", gauge(point(1.0)), counter(cum, point(int64(1)))), "exists twice", 0},
		{"mixed bounds", share, collection("s", hist(cum, []float64{1}, []uint64{1, 1}, "a", "a"), hist(cum, []float64{1, 2}, []uint64{1, 1, 1}, "a", "b")), "different bucket boundaries", 0},
		{"mixed bounds, at first none", share, collection("s", hist(cum, nil, []uint64{1}), hist(cum, []float64{1}, []uint64{1, 1})), "different bucket boundaries", 0},
		{"counts that don't fit the bounds", share, collection("s", hist(cum, []float64{1}, []uint64{1})), "malformed", 0},
		{"unsorted bounds", share, collection("s", hist(cum, []float64{2, 1}, []uint64{1, 1, 1})), "malformed", 0},
		{"a limit that is no boundary", failing(rule.Quantile(.9, "m"), rule.Above(1500*time.Millisecond)), collection("s", hist(cum, []float64{1, 2}, []uint64{1, 1, 1})), "empty", 0},
		{"a bound that is no boundary", failing(rule.ShareAbove(1500*time.Millisecond, "m"), rule.Above(.1)), collection("ms", hist(cum, []float64{1, 2}, []uint64{1, 1, 1})), "empty", 0},
		{"an exponential histogram", share, collection("s", metricdata.ExponentialHistogram[float64]{Temporality: cum, DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{Count: 1, ZeroCount: 1}}}), "empty", 0},
		{"a malformed one", share, collection("s", metricdata.ExponentialHistogram[float64]{Temporality: cum, DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{Scale: 99, PositiveBucket: metricdata.ExponentialBucket{Counts: []uint64{1}}}}}), "malformed", 0},
		{"a summary", above80, collection("s", metricdata.Summary{}), "can't be judged", 0},
		{"no data at all", above80, collection("s", nil), "can't be judged", 0},
		{"a ratio of two gauges", ratio, two, "max.fail", .5},
		{"a ratio to zero", ratio, collection("", gauge(point(1.0, "q", "a"), point(0.0, "q", "b"))), "empty", 0},
		{"a gauge without a value is no zero", ratio, collection("", gauge(point(2.0, "q", "b"))), "", 0},
		{"an overflow series beside a filter", failing(last.Where("q", "a"), rule.Above(80)), collection("", gauge(point(1.0, "q", "a"), overflow)), "none", 1},
		{"the first snapshot is the baseline", growth, counted(cum, 100), "none", 0},
	}
	for _, c := range cases {
		t.Run(c.why, func(t *testing.T) {
			s := samplerOf(c.rule)
			s.Sample(time.Now(), c.data)
			r := read(s)
			if r.Problem != "" || len(r.Groups) == 0 {
				if c.want == "none" || c.want == "empty" || strings.Contains(c.want, ".fail") || strings.Contains(c.want, ".warn") || !strings.Contains(r.Problem, c.want) {
					t.Fatalf("problem %q, want %q", r.Problem, c.want)
				}
				return
			}
			if m := r.Groups[0]; len(r.Groups) != 1 || edge(m) != c.want || !m.Empty && m.Value != c.value {
				t.Errorf("%d groups, %s %v; want one, %s %v", len(r.Groups), edge(m), m.Value, c.want, c.value)
			}
		})
	}
}

func append2(a, b Catalog) Catalog {
	a["m"] = append(a["m"], b["m"]...)
	return a
}

// TestScopes: two libraries use one name for different things. A rule chooses one of them.
func TestScopes(t *testing.T) {
	of := func(scope, unit string, data metricdata.Aggregation) Metric {
		return Metric{Name: "m", Unit: unit, Data: data, Scope: instrumentation.Scope{Name: scope, Version: "1"}}
	}
	c := Catalog{"m": {of("new", "s", gauge(point(2.0))), of("old", "ms", counter(cum, point(int64(7)))), of("broken", "", nil)}}
	for scope, want := range map[string]string{"new": "max.fail", "other": "", "broken": "can't be judged", "old": "of kind counter"} {
		s := samplerOf(rule.Rule{Value: rule.Last("m").Scope(scope), Fail: rule.Above(time.Second)})
		s.Sample(time.Now(), c)
		r := read(s)
		if len(r.Groups) == 1 && edge(r.Groups[0]) != want || len(r.Groups) == 0 && (want == "") != (r.Problem == "") || !strings.Contains(r.Problem, want) && r.Problem != "" {
			t.Errorf("%s: %q, %+v; want %s", scope, r.Problem, r.Groups, want)
		}
	}
	s := samplerOf(rule.Rule{Value: rule.Last("m"), Fail: rule.Above(time.Second)})
	s.Sample(time.Now(), Catalog{"m": {of("new", "s", gauge(point(2.0))), of("old", "ms", gauge(point(7.0)))}})
	if want := `m exists twice: add .Scope("new") for the gauge in "s", or .Scope("old") for the gauge in "ms"`; read(s).Problem != want {
		t.Errorf("%q, want %q", read(s).Problem, want)
	}
	ratio := samplerOf(rule.Rule{Value: rule.Ratio(rule.Last("m").Sum(), rule.Last("m")).Scope("a"), Fail: rule.Above(.5)})
	ratio.Sample(time.Now(), Catalog{"m": {of("a", "", gauge(point(2.0))), of("b", "", gauge(point(2.0), point(3.0)))}})
	if r := read(ratio); len(r.Groups) != 1 || r.Groups[0].Value != 1 {
		t.Errorf("a ratio in one scope: %q %+v", r.Problem, r.Groups)
	}
}

// TestBadGroup: a group that can't be read is a problem, and does not hide another group that fails.
func TestBadGroup(t *testing.T) {
	for value, fails := range map[float64]bool{1: false, 3: true} {
		s := samplerOf(rule.Rule{Value: rule.Last("m"), Fail: rule.Above(2), Per: []string{"q"}})
		s.Sample(time.Now(), collection("", gauge(point(value, "q", "a"), point(math.NaN(), "q", "b"))))
		r := read(s)
		if r.Problem != "m: the value is NaN (q=b)" || len(r.Groups) != 1 || (edge(r.Groups[0]) == "max.fail") != fails {
			t.Errorf("%v: %q, %+v", value, r.Problem, r.Groups)
		}
	}
}

// TestPer makes a group of each combination of values.
func TestPer(t *testing.T) {
	s := samplerOf(rule.Rule{Value: rule.Last("m"), Fail: rule.Above(1), Per: []string{"q"}})
	s.Sample(time.Now(), collection("", gauge(point(1.0, "q", "a", "z", "1"), point(2.0, "q", "b"))))
	got := map[string]string{}
	for _, m := range read(s).Groups {
		got[GroupName(m.Group)] = edge(m)
	}
	if len(got) != 2 || got["q=a"] != "none" || got["q=b"] != "max.fail" {
		t.Errorf("%v; want q=a within the limit and q=b beyond it", got)
	}
}

// TestUnits: a bound is compared in the unit of its metric. A bound of the wrong type is a mistake
// as soon as that unit is known.
func TestUnits(t *testing.T) {
	now := time.Unix(1e9, 0)
	last := func(metric string, fail rule.Limit) rule.Rule { return rule.Rule{Value: rule.Last(metric), Fail: fail} }
	one := func(metric, unit string, data metricdata.Aggregation) Catalog {
		return Catalog{metric: {{Name: metric, Unit: unit, Data: data}}}
	}
	buckets := hist(cum, []float64{70}, []uint64{1, 1})
	cases := []struct {
		why  string
		rule rule.Rule
		data Catalog
		unit string
		want float64 // the bound, in that unit; of ShareAbove its own
		bad  string  // or the mistake
	}{
		{"seconds", last("m", rule.Above(70*time.Millisecond)), one("m", "s", gauge(point(1.0))), "s", .07, ""},
		{"milliseconds", last("m", rule.Above(43*time.Millisecond)), one("m", "ms", gauge(point(1.0))), "ms", 43, ""},
		{"more than a second in ms", last("m", rule.Above(1118*time.Millisecond)), one("m", "ms", gauge(point(1.0))), "ms", 1118, ""},
		{"minutes", last("m", rule.Above(90*time.Second)), one("m", "min", gauge(point(1.0))), "min", 1.5, ""},
		{"a unit in the name", last("m_milliseconds", rule.Above(time.Second)), one("m_milliseconds", "", gauge(point(1.0))), "ms", 1000, ""},
		{"a number in bytes", last("m", rule.Above(70)), one("m", "By", gauge(point(1.0))), "By", 70, ""},
		{"a number on seconds", last("m", rule.Above(.5)), one("m", "s", gauge(point(1.0))), "s", 0, `Fail: 0.5 is a number without a unit, and m is in "s": write a time.Duration; 0.5 would be 500*time.Millisecond`},
		{"a number on ms", rule.Rule{Value: rule.Last("m"), Warn: rule.Above(1.001)}, one("m", "ms", gauge(point(1.0))), "ms", 0, `Warn: 1.001 is a number without a unit, and m is in "ms": write a time.Duration; 1.001 would be 1001*time.Microsecond`},
		{"a duration on nothing", last("m", rule.Above(3500*time.Microsecond)), one("m", "", gauge(point(1.0))), "", 0, "Fail: 3.5ms is a duration, and m has no unit"},
		{"a duration on bytes", last("m", rule.Above(time.Second)), one("m", "By", gauge(point(1.0))), "By", 0, `Fail: 1s is a duration, and m is in "By": write a number`},
		{"a quantile", rule.Rule{Value: rule.Quantile(.5, "m"), Fail: rule.Above(70 * time.Millisecond)}, one("m", "ms", buckets), "ms", 70, ""},
		{"a share", rule.Rule{Value: rule.ShareAbove(70*time.Millisecond, "m"), Fail: rule.Above(.1)}, one("m", "ms", buckets), "1", .1, ""},
		{"a share above a number", rule.Rule{Value: rule.ShareAbove(70, "m"), Fail: rule.Above(.1)}, one("m", "ms", buckets), "1", 0, "Value: 70 is a number without a unit"},
		{"a share of more than a duration", rule.Rule{Value: rule.ShareAbove(time.Second, "m"), Fail: rule.Above(500 * time.Millisecond)}, one("m", "s", buckets), "1", 0, `Fail: 500ms is a duration, and m is in "1"`},
		{"the count of a histogram", rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(5)}, one("m", "ms", buckets), "1", 5, ""},
		{"the growth of seconds", rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(5 * time.Second)}, one("m", "s", counter(cum, point(int64(1)))), "s", 5, ""},
		{"the time since, in ms", rule.Rule{Value: rule.TimeSince("m"), Fail: rule.Above(time.Minute)}, one("m", "ms", gauge(point(1e12-2e3))), "s", 60, ""},
		{"the time since, without a unit", rule.Rule{Value: rule.TimeSince("m"), Fail: rule.Above(time.Minute)}, one("m", "", gauge(point(1e9-2))), "s", 60, ""},
		{"the time since, as a number", rule.Rule{Value: rule.TimeSince("m"), Fail: rule.Above(60)}, one("m", "", gauge(point(1e9-2))), "s", 0, "Fail: 60 is a number without a unit"},
		{"a ratio of times", rule.Rule{Value: rule.Ratio(rule.Last("m"), rule.Last("m")), Fail: rule.Above(2)}, one("m", "s", gauge(point(1.0))), "1", 2, ""},
	}
	for _, c := range cases {
		t.Run(c.why, func(t *testing.T) {
			if mistakes := queryOf(c.rule).Validate(); len(mistakes) > 0 && (len(mistakes) > 1 || c.bad == "" || !strings.HasPrefix(mistakes[0].Error(), c.bad)) {
				t.Fatal(mistakes) // some are known before the metric is
			}
			s := samplerOf(c.rule)
			s.Sample(now, c.data)
			r := read(s)
			if c.bad != "" {
				if r.Mistake == nil || !strings.HasPrefix(r.Problem, c.bad) || r.Problem != r.Mistake.Error() {
					t.Errorf("problem %q, mistake %+v; want %q", r.Problem, r.Mistake, c.bad)
				}
				return
			}
			if r.Problem != "" || r.Unit != c.unit || r.Rule.Bounds[0].Value != c.want || len(r.Groups) != 1 {
				t.Errorf("%q, %d groups, a bound of %v in %q; want %v in %q", r.Problem, len(r.Groups), r.Rule.Bounds[0].Value, r.Unit, c.want, c.unit)
			}
			if c.rule.Value.Kind == query.KindTimeSince && r.Groups[0].Value != 2 {
				t.Errorf("%v s since; want 2", r.Groups[0].Value)
			}
		})
	}
}

// TestUnitIsRemembered: the rule keeps the unit of a metric that is missing in a collection.
func TestUnitIsRemembered(t *testing.T) {
	s := samplerOf(rule.Rule{Value: rule.Last("m"), Fail: rule.Above(time.Second)})
	s.Sample(time.Now(), collection("ms", gauge(point(1.0))))
	s.Sample(time.Now(), Catalog{})
	if r := read(s); r.Unit != "ms" || r.Rule.Bounds[0].Value != 1000 {
		t.Errorf("the bound is %v in %q; want 1000 in ms", r.Rule.Bounds[0].Value, r.Unit)
	}
}

// TestWindows samples a collection every second and checks the last reading.
func TestWindows(t *testing.T) {
	type step struct {
		n    int // seconds
		data func(i int) Catalog
	}
	counts := func(good, bad uint64) func(int) Catalog {
		return func(int) Catalog { return collection("s", hist(cum, []float64{.5}, []uint64{good, bad})) }
	}
	codes := func(ok, bad int64) func(int) Catalog {
		return func(int) Catalog {
			return collection("{request}", counter(cum, point(ok, "code", "200"), point(bad, "code", "500")))
		}
	}
	noErrors := func(ok int64) func(int) Catalog {
		return func(int) Catalog { return collection("{request}", counter(cum, point(ok, "code", "200"))) }
	}
	nothing := func(int) Catalog { return Catalog{} }
	requests := rule.Increase("m")
	p99 := rule.Rule{Value: rule.Quantile(.99, "m"), MinEvents: 1, Fail: rule.Above(500 * time.Millisecond)}
	tenErrors := rule.Rule{Value: rule.Ratio(requests.Where("code", "500"), requests), Fail: rule.Above(.05)} // by the default
	errors := tenErrors
	errors.MinEvents = 1
	cases := []struct {
		why   string
		rule  rule.Rule
		steps []step
		want  string
		value float64
	}{
		{"exactly 1 % beyond is within", p99, []step{{1, counts(0, 0)}, {1, counts(99, 1)}}, "none", .5},
		{"one more is not", p99, []step{{1, counts(0, 0)}, {1, counts(98, 2)}}, "max.fail", .5},
		{"what was there before the first snapshot does not count", p99, []step{{2, counts(0, 500)}}, "empty", 0},
		{"a series that appears later began at zero", p99, []step{{1, nothing}, {1, counts(0, 5)}}, "max.fail", .5},
		{"it leaves the window", p99, []step{{1, counts(0, 0)}, {32, counts(0, 5)}}, "empty", 0},
		{"and is in it till then", p99, []step{{1, counts(0, 0)}, {30, counts(0, 5)}}, "max.fail", .5},
		{"a decrease is a reset, not a huge growth", p99, []step{{1, counts(1000, 10)}, {1, counts(5, 0)}, {1, counts(10, 0)}}, "none", .495},
		{"a ratio of errors", errors, []step{{1, codes(0, 0)}, {1, codes(94, 6)}}, "max.fail", .06},
		{"a ratio at its limit", errors, []step{{1, codes(0, 0)}, {1, codes(95, 5)}}, "none", .05},
		{"too few to judge", tenErrors, []step{{1, codes(0, 0)}, {1, codes(0, 9)}}, "empty", 0},
		{"enough by the default", tenErrors, []step{{1, codes(0, 0)}, {1, codes(0, 10)}}, "max.fail", 1},
		{"no errors yet: the numerator has no series", errors, []step{{1, noErrors(0)}, {1, noErrors(50)}}, "none", 0},
		{"growth is of the window", rule.Rule{Value: requests, Fail: rule.Above(29)}, []step{{100, func(i int) Catalog { return codes(int64(i), 0)(i) }}}, "max.fail", 30},
		{"share above a bound", rule.Rule{Value: rule.ShareAbove(500*time.Millisecond, "m"), MinEvents: 1, Fail: rule.Above(.25)}, []step{{1, counts(0, 0)}, {1, counts(70, 30)}}, "max.fail", .3},
	}
	for _, c := range cases {
		t.Run(c.why, func(t *testing.T) {
			s := samplerOf(c.rule)
			at, n := time.Now(), 0
			for _, st := range c.steps {
				for range st.n {
					s.Sample(at, st.data(n))
					at, n = at.Add(time.Second), n+1
				}
			}
			r := read(s)
			if r.Problem != "" || len(r.Groups) != 1 {
				t.Fatalf("%q, %d groups", r.Problem, len(r.Groups))
			}
			if m := r.Groups[0]; edge(m) != c.want || math.Abs(m.Value-c.value) > 1e-9 {
				t.Errorf("%s %v; want %s %v", edge(m), m.Value, c.want, c.value)
			}
		})
	}
}

// TestMilderBound: events beyond only the warning bound do not count as failing.
func TestMilderBound(t *testing.T) {
	s := samplerOf(rule.Rule{Value: rule.Quantile(.5, "m"), Fail: rule.Above(time.Second), Warn: rule.Above(500 * time.Millisecond)})
	at := time.Now()
	for n, slow := range []uint64{0, 20} {
		s.Sample(at.Add(time.Duration(n)*time.Second), collection("s", hist(cum, []float64{.5, 1}, []uint64{0, slow, 0})))
	}
	if m := read(s).Groups[0]; edge(m) != "max.warn" || m.Bad != 0 || m.Share != 0 {
		t.Errorf("%s, %v bad, a share of %v; want a warning and none", edge(m), m.Bad, m.Share)
	}
}

// TestOverflowHidesNothing: a filtered rule is unknown if there is an overflow series. An
// unfiltered rule counts it.
func TestOverflowHidesNothing(t *testing.T) {
	at := time.Now()
	data := func(ok, hidden int64) Catalog {
		return collection("{request}", counter(cum, point(ok, "code", "200"),
			metricdata.DataPoint[int64]{Attributes: attribute.NewSet(attribute.Bool("otel.metric.overflow", true)), Value: hidden}))
	}
	in := rule.Increase("m")
	filtered := samplerOf(rule.Rule{Value: rule.Ratio(in.Where("code", "500"), in), Fail: rule.Above(.05)})
	plain := samplerOf(rule.Rule{Value: in, Fail: rule.Above(50)})
	for _, s := range []*Sampler{filtered, plain} {
		s.Sample(at, data(0, 0))
		s.Sample(at.Add(time.Second), data(1, 100))
	}
	if r := read(filtered); r.Problem != "" || r.Groups[0].Doubt == nil || r.Groups[0].Crossed != nil || r.Folded != 100 {
		t.Errorf("filtered: %q %+v", r.Problem, r.Groups)
	}
	if r := read(plain); r.Problem != "" || r.Groups[0].Value != 101 {
		t.Errorf("unfiltered: %q %+v", r.Problem, r.Groups)
	}
}

// TestQuantile compares with figures calculated by hand.
func TestQuantile(t *testing.T) {
	bounds := []float64{1, 2, 4}
	for _, c := range []struct {
		q      float64
		counts amounts
		want   float64
	}{
		{.5, amounts{10, 0, 0, 0}, .5},
		{.5, amounts{0, 10, 0, 0}, 1.5},
		{.9, amounts{5, 4, 1, 0}, 2},
		{.95, amounts{5, 4, 1, 0}, 3},
		{.99, amounts{0, 0, 0, 7}, 4}, // beyond the last boundary
		{1e-9, amounts{0, 1, 0, 0}, 1 + 1e-9},
	} {
		if got, _, _ := quantile(c.q, c.counts, bounds); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.q, c.counts, got, c.want)
		}
	}
}

// TestAbsentGroup: a group that was missing in one collection has not grown by its whole count.
func TestAbsentGroup(t *testing.T) {
	for name, observed := range map[string]bool{"synchronous": false, "observable": true} {
		t.Run(name, func(t *testing.T) {
			s := NewSampler(queryOf(rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(10)}), false, func(string) bool { return observed })
			at := time.Now()
			for n, c := range []Catalog{
				collection("", counter(cum, point(int64(100_000)))), {}, collection("", counter(cum, point(int64(100_005)))),
			} {
				s.Sample(at.Add(time.Duration(n)*time.Second), c)
			}
			if r := read(s); len(r.Groups) != 1 || r.Groups[0].Value != 5 {
				t.Errorf("%+v; want a growth of 5", r.Groups)
			}
		})
	}
}

// TestLowerLimitWaits: a lower limit waits for a full window, because one second without a job is
// not a minute without one.
func TestLowerLimitWaits(t *testing.T) {
	for name, data := range map[string]Catalog{"counted": collection("", counter(cum, point(int64(7)))), "never recorded": {}} {
		t.Run(name, func(t *testing.T) {
			s := samplerOf(rule.Rule{Value: rule.Increase("m"), Window: time.Minute, Fail: rule.Below(1)})
			at := time.Now()
			for n := range 62 {
				s.Sample(at.Add(time.Duration(n)*time.Second), data)
				want := "empty"
				if n >= 60 {
					want = "min.fail"
				}
				if got := edge(read(s).Groups[0]); got != want {
					t.Fatalf("after %d s: %s, want %s", n, got, want)
				}
			}
		})
	}
}
