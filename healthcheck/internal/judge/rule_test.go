package judge

import (
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestFinding checks a rule's finding of one reading.
func TestFinding(t *testing.T) {
	queue := func(name string, v float64) evidence.Catalog {
		return collection("", gauge(point(v, attribute.String("q", name)), point(2, attribute.String("q", "b"))))
	}
	var per = []string{"q"}
	two := rule.Rule{Value: rule.Last("m"), Fail: rule.Above(80), Warn: rule.Above(50)}
	cases := []struct {
		why    string
		rule   rule.Rule
		data   evidence.Catalog
		want   verdict.State
		value  float64
		reason string
	}{
		{"within", two, collection("", gauge(point(50))), verdict.Pass, 50, ""},
		{"between warning and failing", two, collection("", gauge(point(60))), verdict.Warn, 60, "60, warns above 50"},
		{"beyond both", two, collection("", gauge(point(90))), verdict.Fail, 90, "90 of at most 80"},
		{"a bound in the unit of the metric", rule.Rule{Value: rule.Last("m"), Fail: rule.Above(43 * time.Millisecond)}, collection("ms", gauge(point(44))), verdict.Fail, 44, "44 ms of at most 43"},
		{"the highest of the groups decides", rule.Rule{Value: rule.Last("m"), Fail: rule.Above(1), Per: per}, queue("a", 3), verdict.Fail, 3, "3 of at most 1 (q=a)"},
		{"one group is beyond", rule.Rule{Value: rule.Last("m"), Fail: rule.Above(1), Per: per}, queue("a", 1), verdict.Fail, 2, "2 of at most 1 (q=b)"},
		{"the lowest of the groups decides", rule.Rule{Value: rule.Last("m"), Fail: rule.Below(3), Per: per}, queue("a", 0), verdict.Fail, 0, "0 of at least 3 (q=a)"},
		{"two are alike: the first by name", rule.Rule{Value: rule.Last("m"), Fail: rule.Above(1), Per: per}, queue("a", 2), verdict.Fail, 2, "2 of at most 1 (q=a)"},
		{"a number where a duration belongs", two, collection("s", gauge(point(1))), verdict.Unknown, 0, `Fail: 80 is a number without a unit`},
		{"a group without a number hides no other", rule.Rule{Value: rule.Last("m"), Fail: rule.Above(1), Per: per}, queue("a", math.NaN()), verdict.Fail, 2, "2 of at most 1 (q=b)"},
		{"a group without a number", rule.Rule{Value: rule.Last("m"), Fail: rule.Above(2), Per: per}, queue("a", math.NaN()), verdict.Unknown, 0, "m: the value is NaN (q=a)"},
		{"groups without a series", rule.Rule{Value: rule.Last("m"), Fail: rule.Above(1), Per: per}, evidence.Catalog{}, verdict.Pass, 0, ""},
	}
	for _, c := range cases {
		t.Run(c.why, func(t *testing.T) {
			now := time.Now()
			r, s := newRule(c.rule, false, now, 0)
			s.Sample(now, c.data)
			f := r.Evaluate(memory.Instant{Now: now})
			if f.State != c.want || f.Value != c.value || !strings.HasPrefix(f.Reason, c.reason) || (c.reason == "") != (f.Reason == "") {
				t.Errorf("%s %v (%s); want %s %v (%s)", f.State, f.Value, f.Reason, c.want, c.value, c.reason)
			}
		})
	}
}

// TestMissing checks the finding of a metric without series, for every way in which its instrument
// was created.
func TestMissing(t *testing.T) {
	last := rule.Rule{Value: rule.Last("m"), Fail: rule.Above(80)}
	per, windowed := last, rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(80)}
	per.Per = []string{"q"}
	for _, c := range []struct {
		why     string
		rule    rule.Rule
		created Creation
		after   time.Duration
		want    verdict.State
		reason  string
	}{
		{"mistyped", last, NotCreated, 0, verdict.Unknown, `no instrument named "m" has been created`},
		{"never recorded", last, Recorded, time.Hour, verdict.Pass, ""},
		{"an observable without a value", last, Observed, 0, verdict.Unknown, "m has no value"},
		{"nobody knows yet", last, NotKnown, foreignGrace, verdict.Pass, ""},
		{"nobody knows, for too long", last, NotKnown, foreignGrace + 1, verdict.Unknown, "m has no value"},
		{"groups of a mistyped one", per, NotCreated, 0, verdict.Unknown, `no instrument named "m" has been created`},
		{"groups of an observable", per, Observed, 0, verdict.Pass, ""},
		{"no traffic", windowed, NotKnown, time.Hour, verdict.Pass, ""},
		{"traffic of a mistyped one", windowed, NotCreated, 0, verdict.Unknown, `no instrument named "m" has been created`},
	} {
		t.Run(c.why, func(t *testing.T) {
			began := time.Now()
			r, s := newRule(c.rule, false, began, 0)
			r.created = func(string) Creation { return c.created }
			now := began.Add(c.after)
			s.Sample(now, evidence.Catalog{})
			if f := r.Evaluate(memory.Instant{Now: now}); f.State != c.want || f.Reason != c.reason || f.HasValue {
				t.Errorf("%s (%s), has a value: %v; want %s (%s) and none", f.State, f.Reason, f.HasValue, c.want, c.reason)
			}
		})
	}
}

// TestForAndKeepFor: crossings of a gauge shorter than For do not count, and gaps shorter than
// KeepFor are not a recovery.
func TestForAndKeepFor(t *testing.T) {
	now := time.Now()
	r, s := newRule(rule.Rule{Value: rule.Last("m"), Fail: rule.Above(80), Warn: rule.Above(50), For: 5 * time.Second, KeepFor: 10 * time.Second}, false, now, .5)
	steps := []struct {
		value   float64
		seconds int
		want    verdict.State // in the last second; in the seconds before, the old state
	}{
		{95, 5, verdict.Pass}, {0, 1, verdict.Pass}, {95, 5, verdict.Pass}, // 5 s are the sixth reading
		{95, 1, verdict.Fail},
		{0, 9, verdict.Fail}, {95, 1, verdict.Fail}, {0, 10, verdict.Fail}, // the gap starts again
		{0, 1, verdict.Pass},
		{60, 5, verdict.Pass}, {60, 1, verdict.Warn}, {95, 5, verdict.Warn}, {95, 1, verdict.Fail},
		{60, 11, verdict.Warn}, // no failure for KeepFor, but still over the warning limit
	}
	was := verdict.Pass
	for n, st := range steps {
		for i := range st.seconds {
			now = now.Add(time.Second)
			s.Sample(now, collection("{item}", gauge(point(st.value))))
			want := was
			if i == st.seconds-1 {
				want = st.want
			}
			if f := r.Evaluate(memory.Instant{Now: now}); f.State != want {
				t.Fatalf("step %d, second %d at %v: %s (%s), want %s", n, i+1, st.value, f.State, f.Reason, want)
			}
		}
		was = st.want
	}
}

// TestLimitInSeconds: before the metric is seen, the finding has the rule as written.
func TestLimitInSeconds(t *testing.T) {
	r, _ := newRule(rule.Rule{Value: rule.Last("m"), Fail: rule.Above(time.Second)}, false, time.Now(), 0)
	f := r.Evaluate(memory.Instant{Now: time.Now()})
	if f.State != verdict.Unknown || f.Rule.Bounds[0] != (query.Bound{Edge: query.MaxFail, Number: query.Number{Value: 1, Duration: true}}) {
		t.Errorf("%s, %+v; want unknown and one second", f.State, f.Rule.Bounds)
	}
}
