package judge_test

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// history is a day of one histogram: 20 requests a second, and an hour at noon in which
// one in five is slow.
func history(second int) (good, bad uint64) {
	noon, after := 12*3600, 13*3600
	slow := min(max(0, second-noon), after-noon)
	return uint64(20*second - 4*slow), uint64(4 * slow)
}

// replay judges a day of the past by limits, each with a verdict of its own: in force and
// in shadow, over the same history.
func replay(limits ...rule.Limit) (unready []time.Duration, flips []int) {
	began := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	type one struct {
		sampler *evidence.Sampler
		judge   judge.Judge
		last    *judge.Verdict
	}
	var all []*one
	for _, l := range limits {
		limit := (*query.Limit)(&l)
		s := evidence.NewSampler(limit, true, func(string) bool { return false })
		r := judge.NewRule(limit, 0, 0, s, func(string) (bool, bool) { return true, true }, began, .5)
		all = append(all, &one{sampler: s, judge: judge.Judge{Subjects: []*judge.Subject{{Name: "latency", Role: effect.Core, Limit: limit, Assess: r.Assess}}}})
	}
	unready, flips = make([]time.Duration, len(all)), make([]int, len(all))
	var none attribute.Set
	for n := range 24 * 3600 {
		now := began.Add(time.Duration(n) * time.Second)
		good, bad := history(n)
		at := evidence.Catalog{"m": {{Name: "m", Unit: "s", Data: metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality,
			DataPoints: []metricdata.HistogramDataPoint[float64]{{Attributes: none, Bounds: []float64{.25, .5, 1}, BucketCounts: []uint64{good, 0, bad, 0}, Count: good + bad}}}}}}
		for i, o := range all {
			o.sampler.Sample(now, at)
			var changes []judge.Change
			o.last, changes = o.judge.Next(o.last, judge.Inputs{Now: now, Life: lifecycle.Phase{Current: verdict.Running}, Override: func(string) effect.Effect { return "" }})
			for _, c := range changes {
				if c.Check == nil && c.Probe == verdict.Readiness {
					flips[i]++
				}
			}
			if o.last.Rulings[verdict.Readiness].State == verdict.Fail {
				unready[i] += time.Second
			}
		}
	}
	return unready, flips
}

// TestReplay judges a day of 2020 without a Monitor, a provider or a clock, by the limit in
// force and by one in shadow.
func TestReplay(t *testing.T) {
	p99 := rule.Quantile("m", .99, 30*time.Second)
	start := time.Now()
	unready, flips := replay(p99.AtMost(.5), p99.AtMost(1))
	t.Logf("a day twice in %v: in force %v not ready, %d flips; in shadow %v, %d", time.Since(start), unready[0], flips[0], unready[1], flips[1])
	if unready[0] < 10*time.Minute || unready[0] > time.Hour || flips[0] == 0 {
		t.Errorf("in force: %v not ready in %d flips; want some of an hour", unready[0], flips[0])
	}
	if unready[1] != 0 || flips[1] != 0 {
		t.Errorf("in shadow: %v not ready in %d flips; want none", unready[1], flips[1])
	}
}
