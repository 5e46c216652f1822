package healthcheck

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestStory checks every probe, code and metric at each step of one service's life, on the real
// SDK.
func TestStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down, hung, panics atomic.Bool
		var length, runs atomic.Int64
		release := make(chan struct{})
		k := newKit(t, Config{
			Checks: []Check{{Name: "database", Interval: 4 * time.Second, Timeout: time.Second, FailureThreshold: 2, SuccessThreshold: 1,
				Func: func(context.Context) error {
					runs.Add(1)
					switch {
					case hung.Load():
						<-release // and it ignores its context
					case panics.Load():
						panic("hunter2")
					case down.Load():
						return errDown
					}
					return nil
				}}},
			Rules: []rule.Rule{
				{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), Warn: rule.Above(50), OnFail: NotReady},
				{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(300 * time.Millisecond)},
			},
		})
		k.Queue("jobs", 100, func() int { return int(length.Load()) })
		requests, err := k.provider.Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		release0 := k.Hold("migrations")
		k.start()
		synctest.Wait()

		k.want("/health", 200, verdict.Pass)
		k.want("/startup", 503, verdict.Fail)
		if body := k.want("/ready", 503, verdict.Fail); body["output"] != "starting: migrations" {
			t.Errorf("output %q", body["output"])
		}
		release0()
		wait(100 * time.Millisecond)
		k.want("/startup", 200, verdict.Pass)
		k.want("/ready", 200, verdict.Pass) // without a single request
		k.state("latency", verdict.Pass)

		length.Store(60)
		wait(2 * time.Second)
		k.want("/ready", 200, verdict.Warn)
		length.Store(95)
		wait(2 * time.Second)
		if body := k.want("/ready", 503, verdict.Fail); body["output"] != "queue: 95 of at most 80" {
			t.Errorf("output %q", body["output"])
		}
		k.want("/health", 200, verdict.Pass)
		if v := k.metric("health.check.value", conventions.CheckName.String("queue")); v != 95 {
			t.Errorf("health.check.value is %v", v)
		}
		length.Store(0)
		wait(2 * time.Second)
		k.want("/ready", 200, verdict.Pass)

		// 1 % over the limit passes, and one more does not. The check only warns.
		for range 990 {
			requests.Record(t.Context(), .2)
		}
		for range 10 {
			requests.Record(t.Context(), .4)
		}
		wait(2 * time.Second)
		k.state("latency", verdict.Pass)
		requests.Record(t.Context(), .4)
		wait(2 * time.Second)
		k.state("latency", verdict.Fail)
		k.want("/ready", 200, verdict.Warn)
		wait(31 * time.Second)
		k.state("latency", verdict.Pass)
		k.want("/ready", 200, verdict.Pass)

		nextRun := func() { // waits for the next run and its judgement
			for n := runs.Load(); runs.Load() == n; {
				wait(10 * time.Millisecond)
			}
			wait(50 * time.Millisecond)
		}
		down.Store(true)
		nextRun()
		k.state("database", verdict.Pass) // one failure of two
		wait(time.Second)                 // until it is asked again
		body := k.want("/ready", 503, verdict.Fail)
		if out := body["output"].(string); !strings.HasPrefix(out, "database: 2 failures") || strings.Contains(out, "hunter2") {
			t.Errorf("output %q", out)
		}
		if n := k.metric("health.check.consecutive_failures", conventions.CheckName.String("database")); n != 2 {
			t.Errorf("consecutive_failures is %v", n)
		}
		down.Store(false)
		wait(time.Second)
		k.want("/ready", 503, verdict.Fail)
		wait(time.Second) // the third run comes 2 s after the second
		k.want("/ready", 200, verdict.Pass)

		panics.Store(true)
		nextRun()
		wait(time.Second)
		k.state("database", verdict.Fail)
		if n := k.metric("health.check.duration", conventions.CheckName.String("database"), attribute.String("error.type", "panic")); n != 2 {
			t.Errorf("health.check.duration with error.type panic has %v", n)
		}
		panics.Store(false)
		wait(2 * time.Second)
		k.want("/ready", 200, verdict.Pass)

		hung.Store(true)
		nextRun()
		k.state("database", verdict.Pass)
		wait(time.Second)
		k.state("database", verdict.Pass) // one timeout of two failures
		wait(time.Second)
		k.state("database", verdict.Fail) // because the run hangs a second later
		wait(13 * time.Second)            // three intervals and a timeout after the timeout
		k.state("database", verdict.Stale)
		k.want("/ready", 503, verdict.Fail)
		hung.Store(false)
		close(release)
		wait(4100 * time.Millisecond)
		k.want("/ready", 200, verdict.Pass)

		lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		wait(50 * time.Millisecond)
		k.want("/ready", 503, verdict.Fail)
		k.want("/health", 200, verdict.Pass)
		k.want("/startup", 200, verdict.Pass)
		lift()
		wait(50 * time.Millisecond)
		k.want("/ready", 200, verdict.Pass)
		if _, err := k.Maintain("upgrade", time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		wait(61 * time.Second)
		k.want("/ready", 200, verdict.Pass) // it ended by itself

		k.cancel()
		wait(50 * time.Millisecond)
		if body := k.want("/ready", 503, verdict.Fail); body["lifecycle"] != "draining" {
			t.Errorf("lifecycle %v", body["lifecycle"])
		}
		k.want("/health", 200, verdict.Pass)
		k.Stop()
		wait(time.Hour) // the last verdict does not grow stale
		k.want("/health", 200, verdict.Pass)
		k.want("/ready", 503, verdict.Fail)
	})
}

// TestProbeDurations: the durations of all states add up to the time since the start.
func TestProbeDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		k := newKit(t, ofChecks(Check{Name: "a", Interval: time.Second, FailureThreshold: 1, SuccessThreshold: 1, Func: func(context.Context) error {
			if down.Load() {
				return errDown
			}
			return nil
		}})).start()
		wait(10 * time.Second)
		down.Store(true)
		wait(20*time.Second + 50*time.Millisecond) // past the judgement of that second
		spent := func(s verdict.State) float64 {
			return k.metric("health.probe.state.duration", conventions.ProbeName.String("readiness"), conventions.ProbeState.String(string(s)))
		}
		pass, fail := spent(verdict.Pass), spent(verdict.Fail)
		if pass < 9 || pass > 11.1 || fail < 17.9 || fail > 21 || pass+fail < 28.9 || pass+fail > 30.1 {
			t.Errorf("pass %v s, fail %v s; want about 10 and 20, together 30 as of the last second", pass, fail)
		}
	})
}

// TestStuckWorker: a heartbeat fails liveness only while work is under way.
func TestStuckWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{})
		h := k.Heartbeat("worker", 30*time.Second)
		k.start()
		wait(time.Hour)
		k.want("/health", 200, verdict.Pass) // idle for an hour
		h.Begin()
		wait(29 * time.Second)
		k.want("/health", 200, verdict.Pass)
		h.Beat()
		wait(29 * time.Second)
		k.want("/health", 200, verdict.Pass)
		wait(3 * time.Second)
		k.want("/health", 503, verdict.Fail)
		k.want("/ready", 503, verdict.Fail)
		k.want("/startup", 200, verdict.Pass)
		h.End()
		wait(2 * time.Second)
		k.want("/health", 200, verdict.Pass)
		k.want("/ready", 200, verdict.Pass)
		if n := k.metric("health.heartbeat.beats", conventions.Heartbeat.String("worker")); n != 3 {
			t.Errorf("%v beats", n)
		}
	})
}

// TestHungLength: if the length function of a queue hangs, only its value is missing. Other rules see new
// metrics, and the log names the function.
func TestHungLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "queue", Value: rule.Last("queue.length").Where("queue.name", "jobs"), Fail: rule.Above(80)},
			rule.Rule{Name: "other", Value: rule.Last("queue.length").Where("queue.name", "other"), Fail: rule.Above(80)}))
		log := &logged{}
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		hang := make(chan struct{})
		var hung atomic.Bool
		var other atomic.Int64
		k.Queue("jobs", 0, func() int {
			if hung.Load() {
				<-hang
			}
			return 0
		})
		k.Queue("other", 0, func() int { return int(other.Load()) })
		k.start()
		wait(2 * time.Second)
		hung.Store(true)
		other.Store(81)
		wait(3 * time.Second)
		k.state("other", verdict.Fail)
		if r := k.result("queue"); r.Value != nil {
			t.Errorf("the rule is %s (%s) with a value", r.State, r.Reason)
		}
		if out := log.take(); strings.Count(out, "the length of a queue is not known") != 1 || !strings.Contains(out, "TestHungLength") || !strings.Contains(out, "has not returned in time") {
			t.Errorf("the log: %s", out)
		}
		close(hang)
		wait(6 * time.Second) // after a slow collection the next one comes later
		k.state("queue", verdict.Pass)
	})
}

// TestHungCallback: one hung callback fails readiness, and everything else is still judged.
func TestHungCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), OnFail: NotReady}))
		h := k.Heartbeat("worker", time.Minute)
		hang := make(chan struct{})
		var hung atomic.Bool
		k.Queue("jobs", 0, func() int { return 0 })
		if _, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			if hung.Load() {
				<-hang
			}
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(2 * time.Second)
		k.want("/ready", 200, verdict.Pass)
		hung.Store(true)
		h.Begin()
		wait(13 * time.Second)
		if code, body := k.get("/ready"); code != 503 || !strings.Contains(body["output"].(string), "collecting metrics") {
			t.Fatalf("%d %v", code, body)
		}
		if code, _ := k.get("/health"); code != 200 {
			t.Fatal("liveness failed")
		}
		k.cancel()
		wait(50 * time.Millisecond)
		if _, body := k.get("/ready"); body["lifecycle"] != "draining" {
			t.Fatalf("draining waited for the callback: %v", body)
		}
		k.Stop() // Stop does not wait either
		close(hang)
		wait(time.Second)
	})
}

// TestSeriesBudget counts the series of one healthy check in Prometheus. A histogram has a series
// for each bucket including +Inf, for the sum and for the count.
func TestSeriesBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: ok})).start()
		wait(time.Minute)
		var rm metricdata.ResourceMetrics
		if err := k.reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, scope := range rm.ScopeMetrics {
			for _, m := range scope.Metrics {
				cost := 1
				if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
					cost = len(h.DataPoints[0].BucketCounts) + 2
				}
				_, sets := dataOf(m.Data)
				for _, set := range sets {
					if v, _ := set.Value(conventions.CheckName); v.AsString() == "database" {
						t.Logf("%3d %s", cost, m.Name)
						n += cost
					}
				}
			}
		}
		if n == 0 || n > 20 {
			t.Errorf("%d series, want some and at most 20", n)
		}
	})
}
