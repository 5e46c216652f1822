package judge

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// history is a day of one histogram: 20 requests a second. For an hour at noon, one in five is
// slow.
func history(second int) (good, bad uint64) {
	noon, after := 12*3600, 13*3600
	slow := min(max(0, second-noon), after-noon)
	return uint64(20*second - 4*slow), uint64(4 * slow)
}

// replay judges a past day by several rules, such as one in force and one in shadow. Each rule has
// its own verdict.
func replay(rules ...rule.Rule) (unready []time.Duration, flips []int) {
	began := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	type one struct {
		sampler *evidence.Sampler
		judge   Judge
		last    *Verdict
	}
	var all []*one
	for _, r := range rules {
		judged, s := newRule(r, true, began, .5)
		all = append(all, &one{sampler: s, judge: Judge{Subjects: []*Subject{{Name: "latency", OnFail: states.NotReady, Rule: judged.rule, Evaluate: judged.Evaluate}}}})
	}
	unready, flips = make([]time.Duration, len(all)), make([]int, len(all))
	for n := range 24 * 3600 {
		now := began.Add(time.Duration(n) * time.Second)
		good, bad := history(n)
		at := collection("s", metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.HistogramDataPoint[float64]{
			{Bounds: []float64{.25, .5, 1}, BucketCounts: []uint64{good, 0, bad, 0}, Count: good + bad}}})
		for i, o := range all {
			o.sampler.Sample(now, at)
			var changes []Change
			o.last, changes = o.judge.Next(o.last, Inputs{Now: now, Life: lifecycle.Phase{Current: states.Running}, Override: func(string) verdict.Effect { return "" }})
			for _, c := range changes {
				if c.Check == nil && c.Probe == states.Readiness {
					flips[i]++
				}
			}
			if o.last.Probes[states.Readiness].State == verdict.Fail {
				unready[i] += time.Second
			}
		}
	}
	return unready, flips
}

// TestReplay judges a day of 2020 without a Monitor, a provider or a clock, by a rule in force and
// a rule in shadow.
func TestReplay(t *testing.T) {
	p99 := func(fail time.Duration) rule.Rule {
		return rule.Rule{Value: rule.Quantile(.99, "m"), Fail: rule.Above(fail)}
	}
	start := time.Now()
	unready, flips := replay(p99(500*time.Millisecond), p99(time.Second))
	t.Logf("a day twice in %v: in force %v not ready, %d flips; in shadow %v, %d", time.Since(start), unready[0], flips[0], unready[1], flips[1])
	if unready[0] < 10*time.Minute || unready[0] > time.Hour || flips[0] == 0 {
		t.Errorf("in force: %v not ready in %d flips; want some of an hour", unready[0], flips[0])
	}
	if unready[1] != 0 || flips[1] != 0 {
		t.Errorf("in shadow: %v not ready in %d flips; want none", unready[1], flips[1])
	}
}
