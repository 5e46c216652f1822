package promhealth

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestKinds reads every kind of metric, first without observations and then with slow ones.
func TestKinds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		vec := histogramVec("vec_seconds")
		vec.WithLabelValues("200") // a counter begins at its first seen value
		plain := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "plain_seconds", Buckets: buckets})
		millis := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "plain_milliseconds", Buckets: []float64{100, 500, 1000, 5000}})
		native := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "native_seconds", NativeHistogramBucketFactor: 1.1})
		both := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "both_seconds", Buckets: buckets, NativeHistogramBucketFactor: 1.1})
		jobs := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jobs_total"}, []string{"kind"})
		jobs.WithLabelValues("good")
		jobs.WithLabelValues("bad")
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth"})
		gauges := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "depths"}, []string{"queue"})
		untyped := prometheus.NewUntypedFunc(prometheus.UntypedOpts{Name: "untyped"}, func() float64 { return 7 })
		nan := prometheus.NewGauge(prometheus.GaugeOpts{Name: "nan"})
		nan.Set(math.NaN())
		summary := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "summary_seconds", Objectives: map[float64]float64{.5: .05, .99: .001}}, []string{"code"})
		bare := prometheus.NewSummary(prometheus.SummaryOpts{Name: "bare_seconds"})
		certificate := prometheus.NewGauge(prometheus.GaugeOpts{Name: "renewed_timestamp_seconds"})
		certificate.SetToCurrentTime()
		memory := prometheus.NewGauge(prometheus.GaugeOpts{Name: "memory_bytes"})
		reg.MustRegister(vec, plain, millis, native, both, jobs, gauge, gauges, untyped, nan, summary, bare, certificate, memory)

		quantile := func(name, metric string) rule.Rule {
			return rule.Rule{Name: name, Value: rule.Quantile(.99, metric), Fail: rule.Above(half)}
		}
		m := begin(t, reg,
			quantile("vec", "vec_seconds"), quantile("plain", "plain_seconds"), quantile("millis", "plain_milliseconds"), quantile("both", "both_seconds"),
			rule.Rule{Name: "native", Value: rule.Quantile(.99, "native_seconds"), Fail: rule.Above(370 * time.Millisecond)},
			rule.Rule{Name: "share", Value: rule.ShareAbove(half, "native_seconds"), Fail: rule.Above(.1)},
			rule.Rule{Name: "observed", Value: rule.Increase("native_seconds"), Fail: rule.Above(50)},
			rule.Rule{Name: "jobs", Value: rule.Increase("jobs_total"), Fail: rule.Above(50)},
			rule.Rule{Name: "bad", Value: rule.Ratio(rule.Increase("jobs_total").Where("kind", "bad"), rule.Increase("jobs_total")), Fail: rule.Above(.05)},
			rule.Rule{Name: "depth", Value: rule.Last("depth"), Fail: rule.Above(10)},
			rule.Rule{Name: "depths", Value: rule.Last("depths"), Fail: rule.Above(10), Per: []string{"queue"}},
			rule.Rule{Name: "one depth", Value: rule.Last("depths"), Fail: rule.Above(10)},
			rule.Rule{Name: "untyped", Value: rule.Last("untyped"), Fail: rule.Above(10)},
			rule.Rule{Name: "nan", Value: rule.Last("nan"), Fail: rule.Above(10)},
			rule.Rule{Name: "p99", Value: rule.Last("summary_seconds").Where("quantile", "0.99"), Fail: rule.Above(half)},
			rule.Rule{Name: "summary", Value: quantile("", "summary_seconds").Value, Fail: rule.Above(half)},
			rule.Rule{Name: "bare", Value: rule.Last("bare_seconds"), Fail: rule.Above(half)},
			rule.Rule{Name: "count", Value: rule.Increase("bare_seconds_count"), Fail: rule.Above(50)},
			rule.Rule{Name: "sum", Value: rule.Increase("vec_seconds_sum"), Fail: rule.Above(100 * time.Second)},
			rule.Rule{Name: "age", Value: rule.TimeSince("renewed_timestamp_seconds"), Fail: rule.Above(time.Hour)},
			rule.Rule{Name: "memory", Value: rule.Last("memory_bytes"), Fail: rule.Above(100)},
		)
		pass(2 * time.Second)
		for _, name := range []string{"vec", "plain", "millis", "both", "native", "share", "observed", "jobs", "bad", "depth", "depths", "one depth", "untyped", "p99", "count", "sum", "age"} {
			want(t, m, name, verdict.Pass, "")
		}
		want(t, m, "nan", verdict.Unknown, "the value is NaN")
		want(t, m, "bare", verdict.Unknown, "without quantiles: read bare_seconds_count")
		if r := judged(t, m, "one depth"); r.Value != nil {
			t.Errorf("a vec without children has the value %v", *r.Value)
		}

		for range 100 {
			vec.WithLabelValues("200").Observe(2)
			plain.Observe(2)
			millis.Observe(2000)
			native.Observe(2)
			both.Observe(2)
			bare.Observe(2)
			summary.WithLabelValues("200").Observe(2)
			jobs.WithLabelValues("good").Inc()
		}
		jobs.WithLabelValues("bad").Add(10)
		gauge.Set(11)
		gauges.WithLabelValues("a").Set(1)
		gauges.WithLabelValues("b").Set(12)
		memory.Set(101)
		pass(2 * time.Second)
		want(t, m, "vec", verdict.Fail, "p99 between 1 and 2.5 s of at most 0.5")
		want(t, m, "plain", verdict.Fail, "p99 between 1 and 2.5 s of at most 0.5")
		want(t, m, "millis", verdict.Fail, "ms of at most 500")
		want(t, m, "both", verdict.Fail, "p99 between 1 and 2.5 s of at most 0.5")
		want(t, m, "native", verdict.Fail, "of at most 0.37")
		if r := judged(t, m, "native"); r.Value == nil || *r.Value < 1 || *r.Value > 4 {
			t.Errorf("p99 of 2 s is shown as %v", r.Value)
		}
		want(t, m, "share", verdict.Fail, "100 % of at most 10 %")
		want(t, m, "observed", verdict.Fail, "100 of at most 50")
		want(t, m, "jobs", verdict.Fail, "110 of at most 50")
		want(t, m, "bad", verdict.Fail, "9.09091 % of at most 5 %")
		want(t, m, "depth", verdict.Fail, "11 of at most 10")
		want(t, m, "depths", verdict.Fail, "12 of at most 10 (queue=b)")
		want(t, m, "one depth", verdict.Unknown, "more than one series matches")
		wantValue(t, m, "untyped", 7)
		want(t, m, "p99", verdict.Fail, "2 s of at most 0.5")
		want(t, m, "summary", verdict.Unknown, "is of kind gauge")
		want(t, m, "count", verdict.Fail, "100 of at most 50")
		want(t, m, "sum", verdict.Fail, "200 s of at most 100")
		want(t, m, "memory", verdict.Fail, "101 By of at most 100")
	})
}

// TestNativeLimits: the count beyond a limit is the count of the buckets beyond it.
func TestNativeLimits(t *testing.T) {
	for _, c := range []struct {
		limit    time.Duration
		observed float64
		state    verdict.State
	}{
		{half, .5, verdict.Pass}, // (lower, upper]: a boundary belongs to the bucket below
		{half, .5000001, verdict.Fail},
		{time.Second, 1, verdict.Pass},
		{time.Second, 1.01, verdict.Fail},
		{400 * time.Millisecond, .401, verdict.Pass}, // within the limit's own bucket
		{400 * time.Millisecond, .44, verdict.Fail},
	} {
		bubble(t, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x_seconds", NativeHistogramBucketFactor: 1.1})
			reg.MustRegister(h)
			m := begin(t, reg, latency("x_seconds", c.limit))
			for range 100 {
				h.Observe(c.observed)
			}
			pass(2 * time.Second)
			if r := judged(t, m, "latency"); r.State != c.state {
				t.Errorf("100 of %v s, at most %v: %s %q; want %s", c.observed, c.limit, r.State, r.Reason, c.state)
			}
		})
	}
}

func TestNativeNegative(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "drift", NativeHistogramBucketFactor: 1.1})
		reg.MustRegister(h)
		m := begin(t, reg, rule.Rule{Name: "drift", Value: rule.ShareAbove(-1, "drift"), Fail: rule.Above(.5)})
		for range 30 {
			h.Observe(-3)
		}
		for range 10 {
			h.Observe(0)
		}
		pass(2 * time.Second)
		wantValue(t, m, "drift", .25)
	})
}

// TestUnits: the suffix of a name is its unit.
func TestUnits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "lag_seconds"}), prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth"}))
		lag := rule.Rule{Name: "lag", Value: rule.Last("lag_seconds"), Fail: rule.Above(5)} // known by its name
		depth := rule.Rule{Name: "depth", Value: rule.Last("depth"), Fail: rule.Above(time.Second)}
		err := Start(t.Context(), healthcheck.New(healthcheck.Config{Rules: []rule.Rule{lag}}), reg)
		wantErrors(t, err, "lag Fail: 5 is a number without a unit")
		err = Start(t.Context(), healthcheck.New(healthcheck.Config{Rules: []rule.Rule{depth}}), reg)
		wantErrors(t, err, "depth Fail: 1s is a duration")
	})
}

// wantErrors checks the mistakes in an error.
func wantErrors(t *testing.T, err error, want ...string) {
	t.Helper()
	var got []string
	for e := range cfgerrors.All(err) {
		got = append(got, e.Item+" "+e.Field+": "+e.Problem)
	}
	if len(got) != len(want) {
		t.Fatalf("%v (%q); want %q", err, got, want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("%q; want %q", got[i], want[i])
		}
	}
}

// TestOffBoundary: a limit that is not a boundary is an error of Start if the histogram has series.
// Otherwise the rule reports it from the first observation on, and warns if the buckets can't tell.
func TestOffBoundary(t *testing.T) {
	const text = "0.4 is not a bucket boundary of x_seconds: take one of its own (0.05, 0.1, 0.25, 0.5, 1, 2.5)"
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		vec := histogramVec("x_seconds")
		reg.MustRegister(vec)
		off := latency("x_seconds", 400*time.Millisecond)
		var log bytes.Buffer
		m := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{off}})
		if err := StartWith(t.Context(), m, reg, healthcheck.Pipeline{Logger: slog.New(slog.NewJSONHandler(&log, nil))}); err != nil { // the boundaries are not known yet
			t.Fatal(err)
		}
		defer m.Stop()
		pass(2 * time.Second)
		want(t, m, "latency", verdict.Pass, "")
		vec.WithLabelValues("200").Observe(.1)
		pass(2 * time.Second)
		want(t, m, "latency", verdict.Pass, text)
		for range 100 {
			vec.WithLabelValues("200").Observe(.3)
		}
		pass(2 * time.Second)
		want(t, m, "latency", verdict.Warn, "can't tell: between 0 and 99.0099 % are over 0.4 s, and p99 allows 1 %; "+text)
		for range 100 {
			vec.WithLabelValues("200").Observe(2)
		}
		pass(2 * time.Second)
		want(t, m, "latency", verdict.Fail, "p99 between 1 and 2.5 s of at most 0.4")
		const event = `"level":"WARN","msg":"a rule can't always be judged exactly","event.name":"health.check.inexact","health.check.name":"latency","health.check.output":"Fail: ` + text
		if n := strings.Count(log.String(), event); n != 1 {
			t.Errorf("the log says it %d times, want once:\n%s", n, log.String())
		}

		other := prometheus.NewRegistry()
		other.MustRegister(vec)
		m2 := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{off}})
		wantErrors(t, Start(t.Context(), m2, other), "latency Fail: "+text)
		m3 := begin(t, other)
		_, err := m3.AddRule(off)
		wantErrors(t, err, "latency Fail: "+text)
	})
}

// TestQuiet: a registered metric without series passes, unless it must have a series. An
// unregistered metric is unknown at once, and is found after its registration.
func TestQuiet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		silent := newFaultyCollector("silent")
		silent.will(func(chan<- prometheus.Metric) {})
		reg.MustRegister(histogramVec("vec_seconds"), silent,
			prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "depths"}, []string{"queue"}),
			prometheus.NewSummary(prometheus.SummaryOpts{Name: "summary", Objectives: map[float64]float64{.5: .05}}))
		m := begin(t, reg,
			latency("vec_seconds", half),
			rule.Rule{Name: "depth", Value: rule.Last("depths"), Fail: rule.Above(1)},
			rule.Rule{Name: "p50", Value: rule.Last("summary"), Fail: rule.Above(1)},
			rule.Rule{Name: "silent", Value: rule.Last("silent"), Fail: rule.Above(1)},
			rule.Rule{Name: "typo", Value: rule.Increase("no_such_total"), Fail: rule.Above(1)},
			rule.Rule{Name: "dots", Value: rule.Last("queue.depth"), Fail: rule.Above(1)},
			rule.Rule{Name: "late", Value: rule.Last("late"), Fail: rule.Above(1)},
		)
		for _, name := range []string{"latency", "depth", "p50"} {
			want(t, m, name, verdict.Pass, "")
			if r := judged(t, m, name); r.Value != nil {
				t.Errorf("%s has the value %v", name, *r.Value)
			}
		}
		want(t, m, "silent", verdict.Unknown, "silent has no value")
		want(t, m, "typo", verdict.Unknown, "no_such_total is not registered: use the name on /metrics")
		want(t, m, "dots", verdict.Unknown, "such as queue_depth")
		want(t, m, "late", verdict.Unknown, "is not registered")

		pass(10 * time.Minute)
		want(t, m, "typo", verdict.Unknown, "is not registered")
		reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "late"}))
		pass(maxLook + 2*time.Second)
		wantValue(t, m, "late", 0)
	})
}

// TestCreated: the start time of a series is passed on, if there is one.
func TestCreated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jobs_total"}, []string{"kind"})
		pass(time.Hour)
		at := time.Now()
		vec.WithLabelValues("a").Inc()
		s := newSource(&spec{collector: vec, parts: map[string][]part{"jobs_total": {{"jobs_total", whole, nil}}}})
		s.ask(time.Now())
		<-s.collection.done
		s.finish()
		points := numbers(t, s.last.families["jobs_total"].Data)
		if len(points) != 1 || !points[0].StartTime.Equal(at) {
			t.Errorf("%+v; want a start at %v", points, at)
		}
		fixed := collectorFunc{collect: func(ch chan<- prometheus.Metric) {
			ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("jobs_total", "", nil, nil), prometheus.CounterValue, 1)
		}}
		s = newSource(&spec{collector: fixed, parts: s.spec.parts})
		s.ask(time.Now())
		<-s.collection.done
		s.finish()
		if points := numbers(t, s.last.families["jobs_total"].Data); len(points) != 1 || !points[0].StartTime.IsZero() {
			t.Errorf("%+v; want no start", points)
		}
	})
}
