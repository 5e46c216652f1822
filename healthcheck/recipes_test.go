package healthcheck

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestRecipes: the combined indicators of docs/choosing-limits.md.
func TestRecipes(t *testing.T) {
	used, size := rule.Last("go.memory.used"), rule.Last("go.memory.limit")
	took, requests := rule.Increase("request.time"), rule.Increase("requests")
	for name, c := range map[string]struct {
		value  rule.Indicator
		fail   rule.Limit
		record func(t *testing.T, m metric.Meter, step int)
		want   verdict.State
	}{
		"memory below the limit": {rule.Ratio(used, size), rule.Above(.9), heap(300, 400), verdict.Pass},
		"memory at the limit":    {rule.Ratio(used, size), rule.Above(.9), heap(400, 550), verdict.Fail},
		"a certificate for long": {rule.TimeUntil("certificate.end.timestamp"), rule.Below(14 * 24 * time.Hour), end(20 * 24 * time.Hour), verdict.Pass},
		"a certificate's end":    {rule.TimeUntil("certificate.end.timestamp"), rule.Below(14 * 24 * time.Hour), end(10 * 24 * time.Hour), verdict.Fail},
		"a low mean":             {rule.Ratio(took, requests), rule.Above(.2), mean(.1), verdict.Pass},
		"a high mean":            {rule.Ratio(took, requests), rule.Above(.2), mean(.3), verdict.Fail},
		"a low rate":             {requests, rule.Above(5 * 30), rate(4), verdict.Pass},
		"a high rate":            {requests, rule.Above(5 * 30), rate(6), verdict.Fail},
		"lag of all partitions":  {rule.Last("lag").Sum(), rule.Above(100), lag(60, 60), verdict.Fail},
		"the worst partition":    {rule.Last("lag").Max(), rule.Above(100), lag(60, 60), verdict.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(t, ofRules(rule.Rule{Name: "rule", Value: c.value, Fail: c.fail}))
				meter := k.provider.Meter("test")
				c.record(t, meter, 0)
				k.start()
				for step := 1; step <= 40; step++ {
					wait(time.Second)
					c.record(t, meter, step)
				}
				wait(2 * time.Second)
				k.state("rule", c.want)
			})
		})
	}
}

// TestTimeSinceIsNotNegative: a negative limit of TimeSince is an error. It was accepted before, and the rule was
// unknown for ever.
func TestTimeSinceIsNotNegative(t *testing.T) {
	k := newKit(t, ofRules(rule.Rule{Name: "certificate", Value: rule.TimeSince("certificate.end.timestamp"), Fail: rule.Above(-14 * 24 * time.Hour)}))
	if err := k.StartWith(t.Context(), k.pipeline); err == nil || !strings.Contains(err.Error(), "write rule.TimeUntil") {
		t.Errorf("error: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func heap(stack, other int64) func(*testing.T, metric.Meter, int) {
	return func(t *testing.T, m metric.Meter, step int) {
		if step > 0 {
			return
		}
		used := must(m.Int64UpDownCounter("go.memory.used", metric.WithUnit("By")))
		used.Add(context.Background(), stack, metric.WithAttributes(attribute.String("go.memory.type", "stack")))
		used.Add(context.Background(), other, metric.WithAttributes(attribute.String("go.memory.type", "other")))
		must(m.Int64UpDownCounter("go.memory.limit", metric.WithUnit("By"))).Add(context.Background(), 1000)
	}
}

func end(in time.Duration) func(*testing.T, metric.Meter, int) {
	return func(t *testing.T, m metric.Meter, step int) {
		if step == 0 {
			must(m.Float64Gauge("certificate.end.timestamp", metric.WithUnit("s"))).Record(context.Background(), float64(time.Now().Add(in).Unix()))
		}
	}
}

func mean(seconds float64) func(*testing.T, metric.Meter, int) {
	return func(t *testing.T, m metric.Meter, _ int) {
		must(m.Float64Counter("request.time")).Add(context.Background(), 10*seconds)
		must(m.Int64Counter("requests")).Add(context.Background(), 10)
	}
}

func rate(perSecond int64) func(*testing.T, metric.Meter, int) {
	return func(t *testing.T, m metric.Meter, _ int) {
		must(m.Int64Counter("requests")).Add(context.Background(), perSecond)
	}
}

func lag(partitions ...int64) func(*testing.T, metric.Meter, int) {
	return func(t *testing.T, m metric.Meter, step int) {
		g := must(m.Int64Gauge("lag"))
		for n, v := range partitions {
			g.Record(context.Background(), v, metric.WithAttributes(attribute.Int("partition", n)))
		}
	}
}
