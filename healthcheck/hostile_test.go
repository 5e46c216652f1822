package healthcheck_test

import (
	"context"
	"math"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The metric streams of an independent tester, who knew only the public documentation and looked for streams that
// are judged wrongly. Each test calculates the expected result from its events.

// 1. A series goes, comes back higher, goes, comes back lower: 100 + 30 + 20 beside 10 of another.
func TestHostileChurn(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "at-most-160", Value: rule.Increase("done"), Window: time.Minute, Fail: rule.Above(160)},
		{Name: "at-least-160", Value: rule.Increase("done"), Window: time.Minute, Fail: rule.Below(160)},
	}, func(s *stream) {
		c := s.observable("done", map[string]int64{"a": 1000, "steady": 5})
		s.start()
		c.set("a", 1100)
		c.set("steady", 15)
		s.pass(2 * time.Second)
		c.remove("a")
		s.pass(10 * time.Second)
		c.set("a", 1130) // 30 happened in the gap
		s.pass(2 * time.Second)
		c.remove("a")
		s.pass(10 * time.Second)
		c.set("a", 20) // reset
		s.pass(2 * time.Second)
		s.want("at-most-160", verdict.Pass, "")
		s.want("at-least-160", verdict.Pass, "")
	})
}

// 2. The only series is missing for longer than the window, and comes back far higher. A minute later it is stuck
// again.
func TestHostileGap(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "stuck", Value: rule.Increase("done"), Window: 30 * time.Second, Fail: rule.Below(1)},
	}, func(s *stream) {
		c := s.observable("done", map[string]int64{"a": 1000})
		s.start()
		for range 60 {
			c.add("a", 1)
			s.pass(time.Second)
		}
		s.want("stuck", verdict.Pass, "")
		c.remove("a")
		s.pass(2 * time.Minute)
		c.set("a", 900_000) // in two minutes
		s.pass(2 * time.Second)
		s.pass(time.Minute)
		s.want("stuck", verdict.Fail, "0 of at least 1")
	})
}

// 3. The counter is so high that adding 1 does not change a float64.
func TestHostileLargeCount(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "stuck", Value: rule.Increase("bytes"), Window: 30 * time.Second, Fail: rule.Below(50)},
		{Name: "storm", Value: rule.Increase("bytes"), Window: 30 * time.Second, Fail: rule.Above(70)},
		{Name: "share", Value: rule.Ratio(rule.Increase("bytes").Where("key", "bad"), rule.Increase("bytes")), Window: 30 * time.Second, Fail: rule.Above(.5)},
	}, func(s *stream) {
		c := s.observable("bytes", map[string]int64{"a": 1 << 60, "bad": 1 << 60})
		s.start()
		for range 60 {
			c.add("a", 1)
			c.add("bad", 1)
			s.pass(time.Second)
		}
		s.want("stuck", verdict.Pass, "")
		s.want("storm", verdict.Pass, "")
		s.want("share", verdict.Pass, "")
	})
}

// 4. A rule is added when the process is an hour old. What happened before is not in its window.
func TestHostileAddRule(t *testing.T) {
	hostile(t, nil, nil, nil, func(s *stream) {
		done, took := s.counter("done"), s.histogram("took", "s", .5, 1)
		s.start()
		done(1_000_000)
		took(1000, 3)
		s.pass(10 * time.Minute)
		for _, r := range []rule.Rule{
			{Name: "storm", Value: rule.Increase("done"), Fail: rule.Above(100)},
			{Name: "stuck", Value: rule.Increase("done"), Fail: rule.Below(1)},
			{Name: "slow", Value: rule.ShareAbove(500*time.Millisecond, "took"), Fail: rule.Above(.1)},
		} {
			if _, err := s.m.AddRule(r); err != nil {
				s.Fatal(err)
			}
		}
		s.pass(2 * time.Second)
		s.want("storm", verdict.Pass, "")
		s.want("slow", verdict.Pass, "")
		took(100, .1)
		s.pass(2 * time.Second)
		s.want("slow", verdict.Pass, "")
		s.pass(time.Minute)
		s.want("stuck", verdict.Fail, "0 of at least 1")
	})
}

// 5. The same for a Monitor that starts late.
func TestHostileLateStart(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "storm", Value: rule.Increase("done"), Fail: rule.Above(100)},
		{Name: "slow", Value: rule.ShareAbove(500*time.Millisecond, "took"), Fail: rule.Above(.1)},
	}, func(s *stream) {
		done, took := s.counter("done"), s.histogram("took", "s", .5, 1)
		done(1_000_000)
		took(1000, 3)
		s.pass(10 * time.Minute)
		s.start()
		s.pass(2 * time.Second)
		s.want("storm", verdict.Pass, "")
		s.want("slow", verdict.Pass, "")
	})
}

// 6. The sides of a Ratio have different lives: errors are counted by the process from zero, and
// requests by a proxy since long ago. 100 errors of 2,000 requests are 5 %.
func TestHostileRatioLives(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "errors", Value: rule.Ratio(rule.Increase("errors"), rule.Increase("requests")), Window: time.Minute, Fail: rule.Above(.5)},
	}, func(s *stream) {
		errors := s.counter("errors")
		s.start()
		// the proxy's numbers come a second later than the first errors
		errors(100)
		s.pass(time.Second)
		c := s.observable("requests", map[string]int64{"a": 1_000_000})
		s.pass(time.Second)
		c.add("a", 2000)
		s.pass(2 * time.Second)
		c.add("a", 20)
		s.pass(2 * time.Second)
		s.never("errors", verdict.Fail)
	})
}

// 7. The group that failed vanishes. KeepFor keeps the rule failed; then it passes.
func TestHostileKeepForVanished(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "full", Value: rule.Last("length"), Per: []string{"key"}, KeepFor: 20 * time.Second, Fail: rule.Above(80)},
		{Name: "alone", Value: rule.Last("length").Where("key", "b"), KeepFor: 20 * time.Second, Fail: rule.Above(80)},
	}, func(s *stream) {
		c := &table{at: map[string]int64{"a": 1, "b": 100}}
		_, err := s.meter.Float64ObservableGauge("length", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			for k, v := range c.at {
				value := float64(v)
				if v < 0 {
					value = math.NaN()
				}
				o.Observe(value, metric.WithAttributes(attribute.String("key", k)))
			}
			return nil
		}))
		if err != nil {
			s.Fatal(err)
		}
		s.start()
		s.pass(2 * time.Second)
		s.want("full", verdict.Fail, "100")
		c.remove("b")
		s.pass(10 * time.Second)
		s.want("full", verdict.Fail, "crossed less than 20s ago")
		s.never("alone", verdict.Pass)
		c.set("b", -1) // not a number
		s.pass(2 * time.Second)
		s.never("full", verdict.Pass)
		s.never("alone", verdict.Pass)
		c.set("b", 1)
		s.pass(2 * time.Second)
		s.want("full", verdict.Fail, "crossed less than 20s ago")
		s.want("alone", verdict.Fail, "crossed less than 20s ago")
		s.pass(10 * time.Second)
		s.want("full", verdict.Pass, "")
		s.want("alone", verdict.Pass, "")
	})
}

// 8. A limit is crossed for 2 s, then the value is unknown for a minute, and then the limit is crossed again. This
// is not a crossing of 30 s, because a gap restarts For.
func TestHostileForUnreadable(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "full", Value: rule.Last("length"), For: 30 * time.Second, Fail: rule.Above(80)},
	}, func(s *stream) {
		length, _ := s.meter.Float64Gauge("length")
		length.Record(s.Context(), 100)
		s.start()
		s.pass(2 * time.Second)
		s.want("full", verdict.Pass, "but not for 30s yet")
		length.Record(s.Context(), math.NaN())
		s.pass(time.Minute)
		s.want("full", verdict.Unknown, "NaN")
		length.Record(s.Context(), 100)
		s.pass(2 * time.Second)
		s.want("full", verdict.Pass, "but not for 30s yet")
		s.pass(30 * time.Second)
		s.want("full", verdict.Fail, "100 of at most 80")
	})
}
