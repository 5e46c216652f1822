package healthcheck_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// 14. The scale of an exponential histogram falls within the window: 90 good and 10 bad before, then one
// measurement of 10⁻⁹ s and one of 10⁶ s. In truth 11 of 102 are over 2 s, and also over 1.5 s.
func TestHostileScale(t *testing.T) {
	for _, size := range []int32{160, 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			hostile(t, []sdkmetric.View{exponential(size)}, nil, []rule.Rule{
				{Name: "at-most-10", Value: rule.ShareAbove(2*time.Second, "took"), Fail: rule.Above(.10)},
				{Name: "at-most-11", Value: rule.ShareAbove(2*time.Second, "took"), Fail: rule.Above(.11)},
				{Name: "p88", Value: rule.Quantile(.88, "took"), Fail: rule.Above(2 * time.Second)},
				{Name: "p90", Value: rule.Quantile(.90, "took"), Fail: rule.Above(2 * time.Second)},
			}, func(s *stream) {
				took := s.histogram("took", "s")
				s.start()
				took(1000, 5) // an hour ago
				s.pass(10 * time.Minute)
				took(90, 2)
				took(10, 2.1)
				s.pass(3 * time.Second)
				took(1, 1e-9)
				took(1, 1e6)
				s.pass(2 * time.Second)
				if size == 160 { // 2 s is a boundary
					s.want("at-most-10", verdict.Fail, "")
					s.want("at-most-11", verdict.Pass, "")
					s.want("p88", verdict.Pass, "")
					s.want("p90", verdict.Fail, "")
				} else { // a bucket from 1 or less to 16 or more
					s.never("at-most-10", verdict.Pass, verdict.Unknown)
					s.never("at-most-11", verdict.Fail, verdict.Unknown)
					s.never("p88", verdict.Fail, verdict.Unknown)
					s.never("p90", verdict.Pass, verdict.Unknown)
				}
			})
		})
	}
}

// 15. Negative measurements: 50 of -4, 25 of -3, 25 of 0. 50 % are greater than -4, and 25 % than -2.
func TestHostileNegative(t *testing.T) {
	for name, base := range map[string][]sdkmetric.View{"explicit": nil, "exponential": {exponential(160)}} {
		t.Run(name, func(t *testing.T) {
			hostile(t, base, nil, []rule.Rule{
				{Name: "over-4", Value: rule.ShareAbove(-4, "margin"), Fail: rule.Above(.6)},
				{Name: "over-4-low", Value: rule.ShareAbove(-4, "margin"), Fail: rule.Above(.4)},
				{Name: "over-2", Value: rule.ShareAbove(-2, "margin"), Fail: rule.Above(.3)},
				{Name: "over-2-low", Value: rule.ShareAbove(-2, "margin"), Fail: rule.Above(.2)},
			}, func(s *stream) {
				margin := s.histogram("margin", "")
				s.start()
				margin(50, -4)
				margin(25, -3)
				margin(25, 0)
				s.pass(time.Second)
				if name == "explicit" {
					s.want("over-4", verdict.Pass, "")
					s.want("over-4-low", verdict.Fail, "")
					s.want("over-2", verdict.Pass, "")
					s.want("over-2-low", verdict.Fail, "")
				} else {
					s.never("over-4", verdict.Fail, verdict.Unknown)
					s.never("over-4-low", verdict.Pass, verdict.Unknown)
					s.never("over-2", verdict.Fail, verdict.Unknown)
					s.never("over-2-low", verdict.Pass, verdict.Unknown)
				}
			})
		})
	}
}

// 16. NaN and infinities are recorded. Of 20 measurements one is over the limit.
func TestHostileNaNMeasured(t *testing.T) {
	for name, base := range map[string][]sdkmetric.View{"explicit": nil, "exponential": {exponential(160)}} {
		t.Run(name, func(t *testing.T) {
			hostile(t, base, nil, []rule.Rule{
				{Name: "slow", Value: rule.ShareAbove(time.Second, "took"), Fail: rule.Above(.5)},
				{Name: "p50", Value: rule.Quantile(.5, "took"), Fail: rule.Above(time.Second)},
				{Name: "some", Value: rule.Increase("took"), Fail: rule.Below(19)},
			}, func(s *stream) {
				took := s.histogram("took", "s")
				s.start()
				took(19, .1)
				took(1, 3)
				took(2, math.NaN())
				took(2, math.Inf(1))
				took(2, math.Inf(-1))
				s.pass(time.Second)
				s.want("slow", verdict.Pass, "")
				s.want("p50", verdict.Pass, "")
				s.want("some", verdict.Pass, "")
				took(30, .1)
				s.pass(time.Second)
				s.want("slow", verdict.Pass, "")
			})
		})
	}
}

// 17. A gauge is infinite.
func TestHostileInfiniteGauge(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "above", Value: rule.Last("load"), Fail: rule.Above(80), OnFail: healthcheck.NotReady},
		{Name: "below", Value: rule.Last("load"), Fail: rule.Below(80)},
		{Name: "ratio", Value: rule.Ratio(rule.Last("load"), rule.Last("size")), Fail: rule.Above(.5)},
		{Name: "inverse", Value: rule.Ratio(rule.Last("size"), rule.Last("load")), Fail: rule.Above(.5)},
	}, func(s *stream) {
		load, _ := s.meter.Float64Gauge("load")
		size, _ := s.meter.Float64Gauge("size")
		load.Record(s.Context(), math.Inf(1))
		size.Record(s.Context(), 100)
		s.start()
		s.pass(time.Second)
		s.never("above", verdict.Pass)
		s.never("below", verdict.Fail)
		s.never("ratio", verdict.Pass)
		s.never("inverse", verdict.Fail)
	})
}

// 18. A value equal to the limit is within it, for each quantile, although 1 − 0.9 < 0.1 in a computer.
func TestHostileQuantileEdge(t *testing.T) {
	var rules []rule.Rule
	for i := 1; i < 100; i++ {
		rules = append(rules, rule.Rule{Name: fmt.Sprint(i), Value: rule.Quantile(float64(i)/100, "took").Where("q", fmt.Sprint(i)), MinEvents: 100, Fail: rule.Above(time.Second)})
	}
	rules = append(rules, rule.Rule{Name: "999", Value: rule.Quantile(.999, "took").Where("q", "999"), MinEvents: 100, Fail: rule.Above(time.Second)})
	hostile(t, nil, nil, rules, func(s *stream) {
		took := s.histogram("took", "s")
		s.start()
		for i := 1; i < 100; i++ {
			took(i, .1, "q", fmt.Sprint(i))
			took(100-i, 3, "q", fmt.Sprint(i))
		}
		took(999, .1, "q", "999")
		took(1, 3, "q", "999")
		s.pass(time.Second)
		for i := 1; i < 100; i++ {
			s.want(fmt.Sprint(i), verdict.Pass, "")
		}
		s.want("999", verdict.Pass, "")
		for i := 1; i < 100; i++ {
			took(1, 3, "q", fmt.Sprint(i))
		}
		s.pass(time.Second)
		for i := 1; i < 100; i++ {
			s.want(fmt.Sprint(i), verdict.Fail, "")
		}
	})
}

// 19. A counter of float64 gets NaN in one series; another one is fine.
func TestHostileNaNAdded(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "fine", Value: rule.Increase("done").Where("key", "fine"), Fail: rule.Below(1)},
	}, func(s *stream) {
		done, _ := s.meter.Float64Counter("done")
		add := func(k string, v float64) {
			done.Add(s.Context(), v, metric.WithAttributes(attribute.String("key", k)))
		}
		add("fine", 1)
		s.start()
		s.pass(10 * time.Minute)
		add("nan", math.NaN())
		add("fine", 1)
		s.pass(time.Second)
		s.want("fine", verdict.Pass, "")
	})
}

// 20. Units with rounding: 7 s are 7/60 min, and 1100 µs are 1.1 ms. No measurement is over the limit.
func TestHostileUnits(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "min", Value: rule.ShareAbove(67*time.Second, "in.min"), Fail: rule.Above(.1)},
		{Name: "h", Value: rule.ShareAbove(7*time.Second, "in.h"), Fail: rule.Above(.1)},
		{Name: "d", Value: rule.ShareAbove(100*time.Hour, "in.d"), Fail: rule.Above(.1)},
		{Name: "ms", Value: rule.ShareAbove(1100*time.Microsecond, "in.ms"), Fail: rule.Above(.1)},
		{Name: "us", Value: rule.ShareAbove(1100*time.Nanosecond, "in.us"), Fail: rule.Above(.1)},
		{Name: "s", Value: rule.ShareAbove(4035*time.Millisecond, "in.s"), Fail: rule.Above(.1)},
	}, func(s *stream) {
		min, h, d := s.histogram("in.min", "min"), s.histogram("in.h", "h"), s.histogram("in.d", "d")
		ms, us, sec := s.histogram("in.ms", "ms"), s.histogram("in.us", "us"), s.histogram("in.s", "s")
		s.start()
		min(20, 67.0/60)
		h(20, 7.0/3600)
		d(20, 100.0/24)
		ms(20, 1.1)
		us(20, 1.1)
		sec(20, 4.035)
		s.pass(time.Second)
		for _, name := range []string{"min", "h", "d", "ms", "us", "s"} {
			s.want(name, verdict.Pass, "")
		}
	})
}

// 21. One measurement is as high as a float64 can be: 1 of 21 is over 1 s.
func TestHostileHighest(t *testing.T) {
	for name, base := range map[string][]sdkmetric.View{"explicit": nil, "exponential": {exponential(160)}, "small": {exponential(2)}} {
		t.Run(name, func(t *testing.T) {
			hostile(t, base, nil, []rule.Rule{
				{Name: "slow", Value: rule.ShareAbove(time.Second, "took"), Fail: rule.Above(.05)},
				{Name: "very", Value: rule.ShareAbove(time.Second, "took"), Fail: rule.Above(.04)},
			}, func(s *stream) {
				took := s.histogram("took", "s")
				s.start()
				took(20, .1)
				took(1, math.MaxFloat64)
				s.pass(time.Second)
				s.want("slow", verdict.Pass, "")
				s.want("very", verdict.Fail, "")
			})
		})
	}
}

// TestHostileForPer: each group of Per is judged by itself. At every time one group is over the limit, but no group
// for 8 s.
func TestHostileForPer(t *testing.T) {
	hostile(t, nil, nil, []rule.Rule{
		{Name: "full", Value: rule.Last("length"), Per: []string{"key"}, For: 8 * time.Second, Fail: rule.Above(80)},
	}, func(s *stream) {
		c := &table{at: map[string]int64{}}
		if _, err := s.meter.Int64ObservableGauge("length", metric.WithInt64Callback(c.observe)); err != nil {
			s.Fatal(err)
		}
		s.start()
		for i := range 8 {
			c.set("a", 100*int64(i%2))
			c.set("b", 100*int64(1-i%2))
			s.pass(4 * time.Second)
			s.never("full", verdict.Fail)
		}
	})
}

// TestHostilePerMistyped: Per names an attribute that no event has. So all queues are judged as one, and a queue
// that always fails would not be noticed.
func TestHostilePerMistyped(t *testing.T) {
	r := rule.Increase("jobs")
	hostile(t, nil, nil, []rule.Rule{
		{Name: "failing", Value: rule.Ratio(r.Where("result", "failed"), r), Per: []string{"que"}, Fail: rule.Above(.5)},
	}, func(s *stream) {
		jobs := s.counter("jobs")
		s.start()
		for range 60 {
			jobs(100, "queue", "a", "result", "ok")
			jobs(10, "queue", "b", "result", "failed")
			s.pass(time.Second)
		}
		s.never("failing", verdict.Pass)
	})
}
