package replay

import (
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var began = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

// one is a rule as a Monitor has it.
func one(r rule.Rule, effect verdict.Effect) Rule {
	return Rule{Name: "r", For: r.For, KeepFor: r.KeepFor, OnFail: effect, Query: &query.Rule{
		Indicator: query.Indicator(r.Value).With(r.Window, r.MinEvents, r.Per),
		Bounds:    query.Bounds(query.Limit(r.Fail), query.Limit(r.Warn)),
	}}
}

func judging(r Rule, exists bool) *Instance {
	return New(Config{Rules: []Rule{r}, Tick: time.Second, Gap: 2 * time.Minute, Exists: func(string) bool { return exists }})
}

// counter is a collection of one counter by route; a count below zero is no series.
func counter(a, b int64) evidence.Catalog {
	sum := metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
	for route, n := range map[string]int64{"/a": a, "/b": b} {
		if n >= 0 {
			sum.DataPoints = append(sum.DataPoints, metricdata.DataPoint[int64]{Attributes: attribute.NewSet(attribute.String("route", route)), Value: n})
		}
	}
	return evidence.Catalog{"m": {{Name: "m", Data: sum}}}
}

func gauge(v float64) evidence.Catalog {
	return evidence.Catalog{"m": {{Name: "m", Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Value: v}}}}}}
}

var (
	pass, fail = exactly(verdict.Pass), exactly(verdict.Fail)
	passOrFail = Range{verdict.Pass, verdict.Fail}
)

// TestSituations judges short histories of 15 s a step.
func TestSituations(t *testing.T) {
	type step struct {
		c         evidence.Catalog
		restarted bool
		later     time.Duration // than the usual step
		want      Range
	}
	many := rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(10)}
	queue := rule.Rule{Value: rule.Last("m"), Fail: rule.Above(80)}
	for _, c := range []struct {
		why    string
		rule   rule.Rule
		exists bool
		steps  []step
	}{
		{"nobody knows what was counted before the first collection", many, true, []step{
			{c: counter(100, 0), want: passOrFail}, {c: counter(101, 0), want: passOrFail}, {c: counter(102, 0), want: pass}}},
		{"the counts tell", many, true, []step{
			{c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: passOrFail}, {c: counter(11, 0), want: fail}, {c: counter(11, 0), want: fail}, {c: counter(11, 0), want: pass}}},
		{"both series count", many, true, []step{
			{c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: passOrFail}, {c: counter(6, 5), want: fail}}},
		{"a series that comes later may have counted before", many, true, []step{
			{c: counter(0, -1), want: passOrFail}, {c: counter(0, -1), want: passOrFail}, {c: counter(0, 11), want: passOrFail}, {c: counter(0, 22), want: fail}}},
		{"a new process counts from zero, and nobody knows since when it is judged", many, true, []step{
			{c: counter(50, 0), want: passOrFail}, {c: counter(50, 0), want: passOrFail}, {c: counter(50, 0), want: pass},
			{c: counter(5, 0), restarted: true, want: pass}, {c: counter(16, 0), want: fail}}},
		{"it has counted much before it was seen", many, true, []step{
			{c: counter(50, 0), want: passOrFail}, {c: counter(20, 0), restarted: true, want: passOrFail}, {c: counter(20, 0), want: passOrFail}, {c: counter(20, 0), want: pass}}},
		{"a reset hides counts", many, true, []step{
			{c: counter(50, 0), want: passOrFail}, {c: counter(50, 0), want: passOrFail}, {c: counter(50, 0), want: pass},
			{c: counter(2, 0), want: passOrFail}, {c: counter(2, 0), want: passOrFail}, {c: counter(2, 0), want: pass}}},
		{"in a gap nobody knows when it counted", many, true, []step{
			{c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: pass},
			{c: counter(11, 0), later: time.Hour, want: passOrFail}, {c: counter(11, 0), want: passOrFail}, {c: counter(11, 0), want: pass}}},
		{"nothing was counted in the gap", many, true, []step{
			{c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: pass}, {c: counter(0, 0), later: time.Hour, want: pass}}},
		{"a present value is known", queue, true, []step{{c: gauge(20), want: pass}, {c: gauge(81), want: fail}, {c: gauge(20), want: pass}}},
		{"and not for how long", rule.Rule{Value: queue.Value, Fail: queue.Fail, For: 10 * time.Second}, true, []step{{c: gauge(20), want: pass}, {c: gauge(81), want: passOrFail}, {c: gauge(20), want: pass}}},
		{"no series of a counter", many, true, []step{{c: counter(-1, -1), want: pass}, {c: counter(-1, -1), want: pass}}},
		{"no series, and perhaps no instrument", many, false, []step{{want: anything}, {want: Range{verdict.Pass, verdict.Unknown}}, {c: counter(-1, -1), want: pass}}},
		{"a series that one collection lacks may have counted on", many, true, []step{
			{c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: pass},
			{c: counter(-1, 0), want: passOrFail}, {c: counter(14, 0), want: fail}, {c: counter(14, 0), want: passOrFail}, {c: counter(14, 0), want: pass}}},
		{"it may have counted in any of these times", rule.Rule{Value: many.Value, Fail: rule.Above(100)}, true, []step{
			{c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: pass},
			{c: counter(-1, 0), want: passOrFail}, {c: counter(14, 0), want: pass}}},
		{"in the middle of a process nobody knows for how long", rule.Rule{Value: queue.Value, Fail: queue.Fail, For: time.Minute}, true, []step{
			{c: gauge(81), want: passOrFail}, {c: gauge(81), want: passOrFail}, {c: gauge(81), want: passOrFail}, {c: gauge(81), want: passOrFail}, {c: gauge(81), want: passOrFail}}},
		{"a new process may have begun just after the last collection", rule.Rule{Value: queue.Value, Fail: queue.Fail, For: 10 * time.Second}, true, []step{
			{c: gauge(20), want: pass}, {c: gauge(81), restarted: true, want: passOrFail}}},
		{"the window of a new process is not full before it has been there for a whole one", rule.Rule{Value: rule.Increase("m"), Fail: rule.Below(10)}, true, []step{
			{c: counter(50, 0), want: passOrFail}, {c: counter(50, 0), want: passOrFail}, {c: counter(1, 0), restarted: true, want: pass}, {c: counter(1, 0), want: passOrFail}, {c: counter(1, 0), want: passOrFail}, {c: counter(1, 0), want: fail}}},
		{"a name that exists twice", many, true, []step{
			{c: counter(0, 0), want: passOrFail}, {c: counter(0, 0), want: passOrFail},
			{c: evidence.Catalog{"m": append(counter(0, 0)["m"], evidence.Metric{Name: "m", Unit: "s", Data: counter(1, 1)["m"][0].Data})}, want: exactly(verdict.Unknown)}}},
		{"few is known when the window is full", rule.Rule{Value: rule.Increase("m"), Fail: rule.Below(10)}, true, []step{
			{c: counter(0, 0), want: passOrFail}, {c: counter(1, 0), want: passOrFail}, {c: counter(2, 0), want: passOrFail}, {c: counter(2, 0), want: fail}, {c: counter(30, 0), want: pass}}},
	} {
		t.Run(c.why, func(t *testing.T) {
			i, at := judging(one(c.rule, states.WarnOnly), c.exists), began
			for n, s := range c.steps {
				at = at.Add(15*time.Second + s.later)
				j := i.Collect(at, s.c, s.restarted)
				if j.Rules[0] != s.want {
					t.Errorf("step %d: %v; want %v", n, j.Rules[0], s.want)
				}
				if (s.later > 0) != !j.After.IsZero() || s.restarted != j.Restarted {
					t.Errorf("step %d: after %v, restarted %v", n, j.After, j.Restarted)
				}
				if ready := map[verdict.State]verdict.State{verdict.Pass: verdict.Pass}; ready[j.Rules[0].Low] != "" && j.Ready.Low != verdict.Pass || j.Ready.High == verdict.Fail {
					t.Errorf("step %d: a rule that warns makes readiness %v", n, j.Ready)
				}
			}
		})
	}
}

// TestGapOfAGroup: a group may have failed for all of a gap, so that its For has passed.
func TestGapOfAGroup(t *testing.T) {
	i := judging(one(rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(5), For: 30 * time.Second, Per: []string{"route"}}, states.WarnOnly), true)
	at, n := began, int64(0)
	for step := range 12 {
		at = at.Add(15 * time.Second)
		j := i.Collect(at, counter(n, 0), false)
		if step > 6 && j.Rules[0] != pass {
			t.Errorf("step %d: %v; want pass", step, j.Rules[0])
		}
	}
	at, n = at.Add(5*time.Minute), 1000
	if j := i.Collect(at, counter(n, 0), false); j.Rules[0] != passOrFail {
		t.Errorf("after the gap: %v; want pass or fail", j.Rules[0])
	}
}

// TestUnreadable: if one group can't be read while another one may fail, the worst state is never better than the best
// one.
func TestUnreadable(t *testing.T) {
	if r := hull(verdict.Unknown, verdict.Pass); r != (Range{verdict.Pass, verdict.Unknown}) {
		t.Errorf("unknown or pass: %v", r)
	}
	if r := hull(verdict.Unknown, verdict.Fail); r != anything {
		t.Errorf("unknown or fail: %v; it may pass, because For has not passed", r)
	}
	if r := hull(verdict.Unknown, verdict.Unknown); r != exactly(verdict.Unknown) {
		t.Errorf("unknown: %v", r)
	}
}

// TestReaders: a collection of another reader lacks the metric of a rule, which keeps its state.
func TestReaders(t *testing.T) {
	i := judging(one(rule.Rule{Value: rule.Increase("m"), Fail: rule.Above(10)}, states.WarnOnly), true)
	other := evidence.Catalog{"other": {{Name: "other", Data: gauge(1)["m"][0].Data}}}
	for step := range 12 {
		at := began.Add(time.Duration(step) * 15 * time.Second)
		j := i.Collect(at, counter(int64(step), 0), false)
		if step > 3 && (j.Kept[0] || j.Rules[0] != pass) {
			t.Errorf("step %d: %v, kept %v; want pass", step, j.Rules[0], j.Kept[0])
		}
		j = i.Collect(at.Add(7*time.Second), other, false)
		if step > 3 && (!j.Kept[0] || j.Rules[0] != pass || j.Exported.Rules[0] != anything) {
			t.Errorf("step %d, the other reader: %v, exported %v, kept %v; want pass, kept", step, j.Rules[0], j.Exported.Rules[0], j.Kept[0])
		}
	}
}

// outage judges ten calm minutes, five of failures and fifteen calm ones by a rule that ejects. It
// returns what readiness may have been since the failures began.
func outage(t *testing.T, v rule.Indicator, limit rule.Limit) (seen []Range) {
	t.Helper()
	i, at := judging(one(rule.Rule{Value: v, Fail: limit, Window: 2 * time.Minute}, states.NotReady), true), began
	i.config.Jitter = func(string) (low, high float64) { return .5, .5 }
	var bad, good int64
	for n := range 120 {
		at = at.Add(15 * time.Second)
		more := int64(0)
		if n >= 40 && n < 60 {
			more = 150
		}
		bad, good = bad+more, good+300-more
		j := i.Collect(at, counter(bad, good), false)
		if n == 39 && j.Ready != pass {
			t.Fatalf("after ten calm minutes: %v", j.Ready)
		}
		if n >= 40 && (len(seen) == 0 || seen[len(seen)-1] != j.Ready) {
			seen = append(seen, j.Ready)
		}
	}
	return seen
}

// TestEjection: an instance is first perhaps out, then certainly out, and after a calm time certainly in.
func TestEjection(t *testing.T) {
	seen := outage(t, rule.Increase("m").Where("route", "/a"), rule.Above(50))
	perhaps, out := slices.IndexFunc(seen, func(r Range) bool { return r.High == verdict.Fail && r.Low != verdict.Fail }), slices.Index(seen, fail)
	if perhaps < 0 || out < perhaps || seen[len(seen)-1] != pass {
		t.Errorf("%v; want perhaps out, out, and in at last", seen)
	}
}

// TestEjectionUnderLoad: a Monitor does not eject an instance whose traffic of the last seconds is above its usual
// traffic. Samples every 15 s don't show that, so it is possible that the instance was not ejected.
func TestEjectionUnderLoad(t *testing.T) {
	seen := outage(t, rule.Ratio(rule.Increase("m").Where("route", "/a"), rule.Increase("m")), rule.Above(.1))
	if !slices.Contains(seen, Range{verdict.Warn, verdict.Fail}) || slices.Contains(seen, fail) || seen[len(seen)-1] != pass {
		t.Errorf("%v; want perhaps out, and in at last", seen)
	}
}
