package judge_test

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// stepped returns the same instant as a wall clock would show it after a step by whole seconds. The
// monotonic reading stays. A test has no other way to step a clock, except to step the machine's.
func stepped(t time.Time, by time.Duration) time.Time {
	const seconds = 30 // the bits below them in the first word of a Time are nanoseconds
	*(*uint64)(unsafe.Pointer(&t)) += uint64(by/time.Second) << seconds
	return t
}

// TestClockSteps: steps of the wall clock by an hour, every few seconds, change no judgement of a
// window, For, KeepFor, an ejection, its probation or a heartbeat.
func TestClockSteps(t *testing.T) {
	now := time.Now()
	if s := stepped(now, time.Hour); s.Unix()-now.Unix() != 3600 || s.Sub(now) != 0 {
		t.Fatalf("stepped by %d s and %v, want 3600 s and 0: time.Time has changed", s.Unix()-now.Unix(), s.Sub(now))
	}
	judged := func(i query.Indicator, max query.Number, wait, keep time.Duration, ejects bool) (*evidence.Sampler, *judge.Rule) {
		r := &query.Rule{Indicator: i.With(0, 0, nil), Bounds: []query.Bound{{Edge: query.MaxFail, Number: max}}}
		s := evidence.NewSampler(r, ejects, func(string) bool { return false })
		return s, judge.NewRule(r, wait, keep, s, func(string) judge.Creation { return judge.NotKnown }, now, .5)
	}
	story := func(step func(second int) time.Duration) (states []verdict.State) {
		began := now
		latencies, latency := judged(query.Indicator{Kind: query.KindQuantile, Metric: "latency", Quantile: .99}, query.Number{Value: .5, Duration: true}, 0, 0, true)
		lengths, length := judged(query.Indicator{Kind: query.KindLast, Metric: "length"}, query.Number{Value: 80}, 5*time.Second, 10*time.Second, false)
		var beat time.Duration
		worker := judge.Beats{Stall: time.Minute, Last: func() (time.Time, int64) { return began.Add(beat), 1 }}
		var good, bad uint64
		for n := range 900 {
			at := stepped(began.Add(time.Duration(n)*time.Second), step(n))
			slow, queued := uint64(0), 0.0
			if n > 100 && n < 400 {
				slow, queued = 20, 90
			}
			good, bad = good+20-slow, bad+slow
			latencies.Sample(at, evidence.Catalog{"latency": {{Name: "latency", Unit: "s", Data: metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality,
				DataPoints: []metricdata.HistogramDataPoint[float64]{{Bounds: []float64{.5}, BucketCounts: []uint64{good, bad}, Count: good + bad}}}}}})
			lengths.Sample(at, evidence.Catalog{"length": {{Name: "length", Unit: "{item}", Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Value: queued}}}}}})
			if n < 500 {
				beat = at.Sub(began)
			}
			i := memory.Instant{Now: at}
			states = append(states, latency.Evaluate(i).State, length.Evaluate(i).State, worker.Evaluate(i).State)
		}
		return states
	}
	still := story(func(int) time.Duration { return 0 })
	for n, subject := range []string{"latency", "length", "worker"} {
		var own []verdict.State
		for i := n; i < len(still); i += 3 {
			own = append(own, still[i])
		}
		for _, s := range []verdict.State{verdict.Pass, verdict.Fail} {
			if !slices.Contains(own, s) {
				t.Errorf("%s is never %s: the story proves nothing", subject, s)
			}
		}
	}
	if !slices.Contains(still, verdict.Warn) {
		t.Error("nothing ever warns: the story proves nothing")
	}
	jumpy := story(func(second int) time.Duration { return time.Duration(second/7%3-1) * time.Hour })
	for n := range still {
		if still[n] != jumpy[n] {
			t.Fatalf("second %d, subject %d: %s, and without steps %s", n/3, n%3, jumpy[n], still[n])
		}
	}
}
