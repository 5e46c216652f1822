package promhealth

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The streams of an independent tester, as in healthcheck's hostile_test.go, recorded with client_golang.

// A child of a vec is deleted and comes back with the same count, between two collections: 100 + 100.
func TestHostileDeletedChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		done := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "done_total"}, []string{"key"})
		reg.MustRegister(done)
		m := begin(t, reg, rule.Rule{Name: "less", Value: rule.Increase("done_total"), Fail: rule.Below(200)},
			rule.Rule{Name: "more", Value: rule.Increase("done_total"), Fail: rule.Above(200)})
		pass(1500 * time.Millisecond)
		done.WithLabelValues("a").Add(100)
		pass(time.Second)
		done.DeleteLabelValues("a")
		pass(time.Millisecond)
		done.WithLabelValues("a").Add(100)
		pass(time.Second)
		want(t, m, "more", verdict.Pass, "")
		pass(28 * time.Second)
		want(t, m, "less", verdict.Pass, "")
	})
}

// A summary without measurements in its last minutes shows NaN. Nobody is slow then.
func TestHostileIdleSummary(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		took := prometheus.NewSummary(prometheus.SummaryOpts{Name: "took_seconds", Objectives: map[float64]float64{.99: .001}, MaxAge: time.Minute})
		reg.MustRegister(took)
		m := begin(t, reg, rule.Rule{Name: "slow", Value: rule.Last("took_seconds").Where("quantile", "0.99"), Fail: rule.Above(time.Second)})
		pass(1500 * time.Millisecond)
		want(t, m, "slow", verdict.Pass, "")
		took.Observe(2)
		pass(2 * time.Second)
		want(t, m, "slow", verdict.Fail, "2 s of at most 1")
		pass(5 * time.Minute)
		want(t, m, "slow", verdict.Pass, "")
	})
}

// A native histogram merges its buckets to stay within four: its scale falls and its zero bucket grows. 30
// of 100 are over 0.1 s. Later the zero bucket has some of these, so nobody can tell, and nothing passes.
func TestHostileNativeZeroBucket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", NativeHistogramBucketFactor: 1.1,
			NativeHistogramMaxBucketNumber: 4, NativeHistogramMaxZeroThreshold: 1, NativeHistogramZeroThreshold: 1e-9})
		reg.MustRegister(took)
		share := rule.ShareAbove(125*time.Millisecond, "took_seconds")
		m := begin(t, reg, rule.Rule{Name: "low", Value: share, Fail: rule.Above(.25)}, rule.Rule{Name: "high", Value: share, Fail: rule.Above(.35)})
		pass(1500 * time.Millisecond)
		for _, v := range []float64{1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, .1} {
			for range 10 {
				took.Observe(v)
			}
		}
		for _, v := range []float64{.2, .6, 30} {
			for range 10 {
				took.Observe(v)
			}
		}
		pass(time.Second)
		for name, wrong := range map[string]verdict.State{"low": verdict.Pass, "high": verdict.Fail} {
			if r := judged(t, m, name); r.State == wrong || r.State == verdict.Unknown {
				t.Errorf("%s is %s: %s", name, r.State, r.Reason)
			}
		}
	})
}

// One measurement is as high as a float64 can be, one is infinite and one negative. 3 of 103 are over 1 s
// at most, and the histogram is read on.
func TestHostileNativeExtremes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", NativeHistogramBucketFactor: 1.1})
		reg.MustRegister(took)
		m := begin(t, reg, rule.Rule{Name: "slow", Value: rule.ShareAbove(time.Second, "took_seconds"), Fail: rule.Above(.05)},
			rule.Rule{Name: "very", Value: rule.ShareAbove(time.Second, "took_seconds"), Fail: rule.Above(.005)})
		pass(1500 * time.Millisecond)
		for range 100 {
			took.Observe(.1)
		}
		took.Observe(math.MaxFloat64)
		took.Observe(math.Inf(1))
		took.Observe(-1)
		pass(time.Second)
		want(t, m, "slow", verdict.Pass, "")
		want(t, m, "very", verdict.Fail, "1.94175 % of at most 0.5 %")
	})
}
