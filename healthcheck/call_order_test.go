package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// No method is too early or too late: it works, or its error names the line to write. Some mistakes
// are not possible any more: to register twice (Wrap keeps nothing), to evaluate before Start, and
// to write to Checks after View (TestConfigIsCopied). TestForgottenView covers View after the
// provider.

// TestRuleAfterView: the View reads the limits when a histogram is created, and not when the View
// is made.
func TestRuleAfterView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}) // has called View
		latency := rule.Rule{Name: "latency", Value: rule.Quantile(.5, "took"), MinEvents: 1, Fail: rule.Above(123 * time.Millisecond)}
		if _, err := k.AddRule(latency); err != nil {
			t.Fatal(err)
		}
		took, err := k.provider.Meter("test").Float64Histogram("took", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		took.Record(t.Context(), .124)
		wait(2 * time.Second)
		k.state("latency", verdict.Fail)
	})
}

// TestQueueAnyTime: a queue may be made before Start and after it. The same name twice is an error.
// After Close nothing is exported.
func TestQueueAnyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		k := newKit(t, Config{})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		early := k.Queue("early", 7, func() int { return 1 })
		early.Waited(t.Context(), time.Second) // is not counted
		k.start()
		late := k.Queue("late", 0, func() int { return 2 })
		for n, q := range []*Queue{early, late} {
			q.Waited(t.Context(), time.Second)
			name := conventions.Queue.String(q.name)
			if got := k.metric("queue.length", name); got != float64(n+1) {
				t.Errorf("%s has length %v", q.name, got)
			}
			if got := k.metric("queue.wait.duration", name); got != 1 {
				t.Errorf("%v items have waited in %s", got, q.name)
			}
		}
		if got := k.metric("queue.capacity", conventions.Queue.String("early")); got != 7 {
			t.Errorf("the capacity is %v", got)
		}
		if got := k.metric("queue.capacity", conventions.Queue.String("late")); got != -1 {
			t.Errorf("a capacity of %v is exported", got)
		}
		k.Queue("late", 0, func() int { return 3 }).Waited(t.Context(), time.Second)
		k.Queue("", 0, func() int { return 3 })
		k.Queue("nil", 0, nil)
		wait(time.Second)
		if out := log.take(); strings.Count(out, "level=ERROR") != 3 || !strings.Contains(out, "used twice") || !strings.Contains(out, "length is nil") {
			t.Errorf("log: %s", out)
		}
		early.Close()
		late.Close()
		if got := k.metric("queue.length", conventions.Queue.String("late")); got != -1 {
			t.Errorf("a closed queue has length %v", got)
		}
		var none *Queue
		none.Waited(t.Context(), time.Second)
		none.Close()
	})
}

// TestLateHeartbeatMistakes: after Start the mistakes of a heartbeat are logged.
func TestLateHeartbeatMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		k := newKit(t, ofChecks(Check{Name: "database", Func: ok}))
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		k.start()
		for _, h := range []*Heartbeat{k.Heartbeat("database", 0), k.Heartbeat("", 0), k.Heartbeat("late", -time.Second)} {
			h.Begin()
			h.Beat()
			h.End()
			h.Close()
		}
		wait(time.Second)
		if out := log.take(); strings.Count(out, "level=ERROR") != 3 || !strings.Contains(out, "is used twice") || !strings.Contains(out, "is negative") {
			t.Errorf("log: %s", out)
		}
		if n := len(k.Verdict().Results); n != 1 {
			t.Errorf("%d are judged, want the database", n)
		}
		k.state("database", verdict.Pass)
		var none *Heartbeat
		none.Begin()
		none.Beat()
		none.End()
		none.Close()
	})
}

// TestStartBeforeHandlers: handlers made before Start and after it give the same answers.
func TestStartBeforeHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: ok}))
		k.start()
		k.handler = k.Wrap(k.Wrap(nil)) // twice has the effect of once
		wait(time.Second)
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestVerdictBeforeStart: the verdict before Start says that the process is not ready.
func TestVerdictBeforeStart(t *testing.T) {
	v := New(ofChecks(Check{Name: "database", Func: ok})).Verdict()
	if v.Readiness.State != verdict.Fail || v.Readiness.Reason != "starting" || v.Startup.State != verdict.Fail || v.Liveness.State != verdict.Pass || !v.Time.IsZero() {
		t.Errorf("%+v", v)
	}
}

// TestServeWithoutStart: Serve before Start is an error at once, which names the line to write and
// closes the listener.
func TestServeWithoutStart(t *testing.T) {
	m := New(Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for name, serve := range map[string]func() error{
		"Serve":          func() error { return m.Serve(&http.Server{}, l) },
		"ListenAndServe": func() error { return m.ListenAndServe(&http.Server{Addr: "127.0.0.1:0"}) },
	} {
		if err := serve(); !errors.Is(err, cfgerrors.ErrNotStarted) || !strings.Contains(err.Error(), "health.Start(ctx)") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
	if err := m.StartWith(t.Context(), Pipeline{Logger: slog.New(slog.DiscardHandler)}); err != nil { // Start still works
		t.Fatal(err)
	}
	m.Stop()
	if err := m.ListenAndServe(&http.Server{Addr: "127.0.0.1:0"}); !errors.Is(err, cfgerrors.ErrStopped) {
		t.Errorf("Serve after Stop: %v", err)
	}
}

// TestErrorsAreMatched: every error of a call that is too early or too late is one of three.
func TestErrorsAreMatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		if err := k.StartWith(t.Context(), k.pipeline); !errors.Is(err, cfgerrors.ErrStarted) || errors.Is(err, cfgerrors.ErrStopped) {
			t.Errorf("Start twice: %v", err)
		}
		k.Stop()
		_, add := k.Add(Check{Name: "late", Func: ok})
		_, addRule := k.AddRule(rule.Rule{Name: "late", Value: rule.Last("m"), Fail: rule.Above(1)})
		for name, err := range map[string]error{
			"Start": k.Start(t.Context()), "StartWith": k.StartWith(t.Context(), k.pipeline), "Add": add, "AddRule": addRule, "Serve": k.Serve(&http.Server{}, nobody{}),
		} {
			if !errors.Is(err, cfgerrors.ErrStopped) || errors.Is(err, cfgerrors.ErrStarted) {
				t.Errorf("%s after Stop: %v", name, err)
			}
			for e := range cfgerrors.All(err) {
				t.Errorf("%s: %v is no mistake of a configuration", name, e)
			}
		}
		k.Queue("late", 0, func() int { return 0 }).Close()
		k.Heartbeat("late", 0).Close()
		k.Hold("late")()
		k.Stop()
		if v := k.Verdict(); len(v.Results) != 0 || v.Readiness.State != verdict.Fail {
			t.Errorf("%+v", v)
		}
	})
}

// nobody is a listener that can only be closed.
type nobody struct{ net.Listener }

func (nobody) Close() error { return nil }

// duplicates returns the series that one collection has twice.
func duplicates(t *testing.T, r sdkmetric.Reader) (all []string) {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := r.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if seen[m.Name] {
				all = append(all, m.Name)
			}
			seen[m.Name] = true
		}
	}
	return all
}

// TestFailedStart: a failed Start leaves nothing behind: no maintenance, callback, queue or
// goroutine. A second Start works like a first.
func TestFailedStart(t *testing.T) {
	maintenance := filepath.Join(t.TempDir(), "maintenance")
	synctest.Test(t, func(t *testing.T) {
		writeFile(t, maintenance, `{"reason":"upgrade","until":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
		var calls, runs atomic.Int64
		k := newKit(t, Config{
			MaintenanceFile: maintenance,
			Checks:          []Check{{Name: "database", Func: func(context.Context) error { runs.Add(1); return nil }}},
			Rules:           []rule.Rule{{Name: "latency", Value: rule.Quantile(.9, "took"), Fail: rule.Above(time.Second)}},
		})
		q := k.Queue("jobs", 0, func() int { calls.Add(1); return 1 })
		k.Heartbeat("worker", 0)
		meter := k.provider.Meter("test")
		if _, err := meter.Float64Histogram("took", metric.WithUnit("By")); err != nil { // the unit does not fit
			t.Fatal(err)
		}
		for range 3 {
			if err := k.StartWith(t.Context(), k.pipeline); err == nil || errors.Is(err, cfgerrors.ErrStarted) {
				t.Fatalf("the start that must fail: %v", err)
			}
		}
		wait(10 * time.Second)
		calls.Store(0)
		var rm metricdata.ResourceMetrics
		if err := k.reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		for name := range evidence.NewCatalog(&rm) {
			t.Errorf("%s is exported", name)
		}
		if calls.Load() != 0 || runs.Load() != 0 {
			t.Errorf("after starts that failed, the queue was asked %d times and the check run %d times", calls.Load(), runs.Load())
		}
		if v := k.Verdict(); v.Phase != "starting" || len(v.Results) != 0 {
			t.Errorf("%+v", v)
		}
		if err := k.Serve(&http.Server{}, nobody{}); !errors.Is(err, cfgerrors.ErrNotStarted) {
			t.Errorf("Serve: %v", err)
		}

		// With another provider the unit fits.
		k.reader = sdkmetric.NewManualReader()
		k.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader), sdkmetric.WithView(k.View()))
		k.pipeline = quiet(k.reader, k.provider)
		if _, err := k.provider.Meter("test").Float64Histogram("took", metric.WithUnit("s")); err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(time.Second)
		if again := duplicates(t, k.reader); len(again) > 0 {
			t.Errorf("twice in a collection: %v", again)
		}
		if n := len(k.Verdict().Results); n != 3 {
			t.Errorf("%d are judged, want 3", n)
		}
		calls.Store(0)
		if got := k.metric("queue.length", conventions.Queue.String("jobs")); got != 1 || calls.Load() != 1 {
			t.Errorf("queue.length is %v after %d calls", got, calls.Load())
		}
		q.Waited(t.Context(), time.Second)
		if got := k.metric("queue.wait.duration", conventions.Queue.String("jobs")); got != 1 {
			t.Errorf("%v items have waited", got)
		}
		if body := k.want("/ready", 503, verdict.Fail); body["output"] != "maintenance: upgrade" {
			t.Errorf("%v", body)
		}
		if err := os.Remove(maintenance); err != nil {
			t.Fatal(err)
		}
		wait(twice)
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestStartThatHangs: a hung Start fails after ten seconds and is undone. Stop ends it at once.
func TestStartThatHangs(t *testing.T) {
	for _, stops := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			open := make(chan struct{})
			k := newKit(t, ofChecks(Check{Name: "database", Func: ok}))
			_, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
				<-open
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if stops {
				time.AfterFunc(time.Second, k.Stop)
			}
			err = k.StartWith(t.Context(), k.pipeline)
			switch took := time.Since(began); {
			case stops && (!errors.Is(err, cfgerrors.ErrStopped) || took != time.Second):
				t.Errorf("stopped: %v after %v", err, took)
			case !stops && (err == nil || !strings.Contains(err.Error(), "does a callback hang?") || took != setupLimit):
				t.Errorf("%v after %v", err, took)
			}
			close(open)
			synctest.Wait()
			if stops {
				return
			}
			k.start() // the callback answers now
			wait(time.Second)
			if again := duplicates(t, k.reader); len(again) > 0 {
				t.Errorf("twice in a collection: %v", again)
			}
			k.want("/ready", 200, verdict.Pass)
		})
	}
}

// TestEverythingAtOnce: many goroutines call all methods during Start and Stop, for the race
// detector.
func TestEverythingAtOnce(t *testing.T) {
	for round := range 20 {
		k := newKit(t, Config{Checks: []Check{{Name: "database", Interval: minTick, Func: ok}}})
		ctx, cancel := context.WithCancel(t.Context())
		begin := make(chan struct{})
		var wg sync.WaitGroup
		each := func(f func(n int)) {
			for n := range 4 {
				wg.Go(func() {
					<-begin
					f(n)
				})
			}
		}
		started := make(chan error, 4)
		each(func(int) { started <- k.StartWith(ctx, k.pipeline) })
		each(func(n int) {
			h := k.Heartbeat("worker", time.Minute) // shared by all
			h.Begin()
			h.Beat()
			h.End()
			own := k.Heartbeat(fmt.Sprint("worker-", n), time.Minute)
			own.Begin()
			own.Close()
		})
		each(func(n int) {
			remove, err := k.Add(Check{Name: fmt.Sprint("check-", n), Interval: minTick, Func: ok})
			if err == nil {
				k.Verdict()
				remove()
				remove()
			} else if !errors.Is(err, cfgerrors.ErrStopped) {
				t.Error(err)
			}
		})
		each(func(n int) {
			remove, err := k.AddRule(rule.Rule{Name: fmt.Sprint("rule-", n), Value: rule.Last("queue.length"), Per: []string{"queue.name"}, Fail: rule.Above(1)})
			if err == nil {
				remove()
			} else if !errors.Is(err, cfgerrors.ErrStopped) {
				t.Error(err)
			}
		})
		each(func(n int) {
			q := k.Queue(fmt.Sprint("queue-", n), 1, func() int { return 0 })
			q.Waited(ctx, time.Second)
			q.Close()
		})
		each(func(int) {
			k.Hold("warm-up")()
			if lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour)); err == nil {
				lift()
			}
		})
		each(func(int) {
			k.View()
			k.get("/ready")
			k.get("/health?verbose")
			k.metric("health.lifecycle.status")
			for range k.Watch(ctx) {
				break
			}
		})
		if round%2 == 0 {
			each(func(int) { k.Stop() })
		} else {
			each(func(int) { cancel() })
		}
		close(begin)
		wg.Wait()
		won := 0
		for range 4 {
			switch err := <-started; {
			case err == nil:
				won++
			case !errors.Is(err, cfgerrors.ErrStarted) && !errors.Is(err, cfgerrors.ErrStopped):
				t.Errorf("Start: %v", err)
			}
		}
		if won > 1 || won == 0 && round%2 == 1 {
			t.Errorf("%d of four Starts began", won)
		}
		k.Stop()
		cancel()
		if v := k.Verdict(); v.Readiness.State != verdict.Fail || v.Phase != "draining" {
			t.Errorf("after all: %s, %s", v.Phase, v.Readiness.State)
		}
	}
}

// notifyingProvider is a provider that calls tell when it is asked for a meter.
type notifyingProvider struct {
	metric.MeterProvider
	tell func()
}

func (a notifyingProvider) Meter(name string, o ...metric.MeterOption) metric.Meter {
	a.tell()
	return a.MeterProvider.Meter(name, o...)
}

// TestLostBesideStart: entries that come during Start are judged and exported, or are an error of
// Start.
func TestLostBesideStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		during := func(c Config, f func(k *kit)) (*kit, error) {
			k := newKit(t, c)
			var asked atomic.Int64
			_, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				if asked.Add(1) == 2 { // the collection at the end of setup
					f(k)
				}
				o.Observe(1)
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			k.cancel = cancel
			t.Cleanup(func() { cancel(); k.Stop() })
			return k, k.StartWith(ctx, k.pipeline)
		}
		k, err := during(Config{}, func(k *kit) {
			k.Heartbeat("worker", time.Second).Begin()
			k.Queue("jobs", 0, func() int { return 5 })
			if _, err := k.Add(Check{Name: "database", Func: down}); err != nil {
				t.Error(err)
			}
			if _, err := k.AddRule(rule.Rule{Name: "pool", Value: rule.Last("pool"), Fail: rule.Above(0)}); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		wait(3 * time.Second)
		for _, name := range []string{"worker", "database", "pool"} {
			k.state(name, verdict.Fail)
		}
		if got := k.metric("queue.length", conventions.Queue.String("jobs")); got != 5 {
			t.Errorf("queue.length is %v", got)
		}
		m := New(Config{})
		add := sync.OnceFunc(func() {
			if _, err := m.AddRule(rule.Rule{Name: "pool", Value: rule.Last("pool"), Fail: rule.Above(0)}); err != nil {
				t.Error(err)
			}
		})
		if err := m.StartWith(t.Context(), Pipeline{MeterProvider: notifyingProvider{noop.NewMeterProvider(), add}}); err == nil || !strings.Contains(err.Error(), "telemetry.Config{Health: health}") {
			t.Errorf("a rule meanwhile, and no Reader: %v", err)
		}
		if _, err := during(Config{}, func(k *kit) { k.Heartbeat("", 0) }); err == nil || !strings.Contains(err.Error(), "Name: is empty") {
			t.Errorf("a wrong heartbeat meanwhile: %v", err)
		}
	})
}
