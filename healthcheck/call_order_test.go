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
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A method works before Start, after it and after Stop, or its error names the line to write. TestConfigIsCopied
// covers changes of the Config after New, and TestForgottenView covers a View after the provider.

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

// nobody is a listener that only supports Close.
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
		wait(500 * time.Millisecond) // away from the Monitor's own collection
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

// TestStartWithASlowCallback: a callback that takes long delays readiness and not Start, for 5 s and
// for ever. Checks run meanwhile, and the log says why. Stop ends Start at once.
func TestStartWithASlowCallback(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		stops bool
	}{"5 s": {takes: 5 * time.Second}, "minutes": {takes: 10 * time.Minute}, "stopped": {takes: time.Hour, stops: true}} {
		synctest.Test(t, func(t *testing.T) {
			log := &logged{}
			config := ofRules(rule.Rule{Name: "pool", OnFail: NotReady, Value: rule.Last("pool"), Fail: rule.Above(1)})
			config.Checks = []Check{{Name: "database", Func: ok}}
			k := newKit(t, config)
			k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
			queue := k.Queue("jobs", 0, func() int { return 3 })
			began := time.Now()
			end := time.NewTimer(c.takes)
			_, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				if wait := c.takes - time.Since(began); wait > 0 {
					<-end.C
				}
				o.Observe(0)
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			if c.stops {
				time.AfterFunc(time.Second, k.Stop)
				if err := k.StartWith(t.Context(), k.pipeline); !errors.Is(err, cfgerrors.ErrStopped) || time.Since(began) != time.Second {
					t.Errorf("stopped: %v after %v", err, time.Since(began))
				}
				wait(2 * c.takes)
				return
			}
			k.start()
			if took := time.Since(began); took != startPatience {
				t.Errorf("%s: Start has taken %v", name, took)
			}
			wait(time.Second)
			if k.Verdict().Readiness.State != verdict.Fail || k.Verdict().Startup.State != verdict.Pass || k.Verdict().Liveness.State != verdict.Pass {
				t.Errorf("%s: meanwhile: %+v", name, k.Verdict())
			}
			if r := k.result("database"); r.State != verdict.Pass {
				t.Errorf("%s: the check is %s (%s)", name, r.State, r.Reason)
			}
			if out := log.take(); strings.Count(out, "does a callback hang?") != 1 {
				t.Errorf("%s: the log: %s", name, out)
			}
			wait(c.takes)
			if again := duplicates(t, k.reader); len(again) > 0 {
				t.Errorf("%s: twice in a collection: %v", name, again)
			}
			k.want("/ready", 200, verdict.Pass)
			if n := k.metric("queue.length", conventions.Queue.String(queue.name)); n != 3 {
				t.Errorf("%s: the queue has length %v", name, n)
			}
		})
	}
}

// TestCallbackThatExits: if a callback ends its goroutine, the data of that collection is missing. Later collections
// go on.
func TestCallbackThatExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		k := newKit(t, ofRules(rule.Rule{Name: "pool", OnFail: NotReady, Value: rule.Last("pool"), Fail: rule.Above(1)}))
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		var exits atomic.Bool
		_, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if exits.Load() {
				runtime.Goexit()
			}
			o.Observe(0)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		exits.Store(true)
		wait(time.Minute)
		if r := k.result("pool"); r.State != verdict.Stale || k.running.collector.Running(time.Now()) > time.Second {
			t.Errorf("the rule is %s (%s), and the collection runs for %v", r.State, r.Reason, k.running.collector.Running(time.Now()))
		}
		if out := log.take(); strings.Count(out, "ended its goroutine") != 1 {
			t.Errorf("the log: %s", out)
		}
		exits.Store(false)
		wait(2 * time.Second)
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestStartWithACallbackThatExits: Start returns its error at once, and the next Start works.
func TestStartWithACallbackThatExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{})
		var good atomic.Bool
		_, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			if !good.Load() {
				runtime.Goexit()
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := k.StartWith(t.Context(), k.pipeline); err == nil || !strings.Contains(err.Error(), "ended its goroutine") || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		good.Store(true)
		k.start()
		wait(time.Second)
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestTwoMonitors: of two Monitors on one MeterProvider exactly one starts, in any order, with and
// without a Reader, one after the other and at once. After a failed Start or a Stop the provider is
// free for the next.
func TestTwoMonitors(t *testing.T) {
	for _, readers := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
		for _, atOnce := range []bool{false, true} {
			t.Run(fmt.Sprint(readers, atOnce), func(t *testing.T) {
				k := newKit(t, Config{})
				var monitors [2]*Monitor
				errs := make([]error, 2)
				start := func(n int) {
					p := k.pipeline
					if !readers[n] {
						p.Reader = nil
					}
					errs[n] = monitors[n].StartWith(t.Context(), p)
				}
				var wait sync.WaitGroup
				for n := range monitors {
					monitors[n] = New(Config{})
					defer monitors[n].Stop()
					if atOnce {
						wait.Go(func() { start(n) })
					} else {
						start(n)
					}
				}
				wait.Wait()
				failed := 0
				for n, err := range errs {
					if err == nil {
						continue
					}
					failed++
					if !strings.Contains(err.Error(), "another Monitor exports to it already") {
						t.Error(err)
					}
					monitors[1-n].Stop()
				}
				if failed != 1 {
					t.Fatalf("the errors are %v", errs)
				}
				if again := duplicates(t, k.reader); len(again) > 0 {
					t.Errorf("twice in a collection: %v", again)
				}
			})
		}
	}
}

// TestTwoMonitorsAndTheGlobalProvider: it is the same with OpenTelemetry's global provider, asked for
// before or after it was set. Any number may start on a provider that exports nothing.
func TestTwoMonitorsAndTheGlobalProvider(t *testing.T) {
	before := otel.GetMeterProvider()
	for range 2 {
		m := New(Config{})
		defer m.Stop()
		if err := m.StartWith(t.Context(), Pipeline{MeterProvider: metricnoop.NewMeterProvider()}); err != nil {
			t.Errorf("without a provider: %v", err)
		}
	}
	k := newKit(t, Config{})
	otel.SetMeterProvider(k.provider)
	defer otel.SetMeterProvider(metricnoop.NewMeterProvider())
	k.pipeline.Reader = nil // a Reader may see the Monitors of other tests on the global provider
	k.start()
	for name, mp := range map[string]metric.MeterProvider{"asked for before": before, "asked for after": nil} {
		m := New(Config{})
		defer m.Stop()
		if err := m.StartWith(t.Context(), Pipeline{MeterProvider: mp}); err == nil || !strings.Contains(err.Error(), "another Monitor") {
			t.Errorf("%s: %v", name, err)
		}
	}
	k.Stop()
	m := New(Config{})
	defer m.Stop()
	if err := m.Start(t.Context()); err != nil {
		t.Errorf("after Stop: %v", err)
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
		if err := m.StartWith(t.Context(), Pipeline{MeterProvider: notifyingProvider{metricnoop.NewMeterProvider(), add}}); err == nil || !strings.Contains(err.Error(), "telemetry.Config{Health: health}") {
			t.Errorf("a rule meanwhile, and no Reader: %v", err)
		}
		if _, err := during(Config{}, func(k *kit) { k.Heartbeat("", 0) }); err == nil || !strings.Contains(err.Error(), "Name: is empty") {
			t.Errorf("a wrong heartbeat meanwhile: %v", err)
		}
	})
}
