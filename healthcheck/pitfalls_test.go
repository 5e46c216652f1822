package healthcheck

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"

	"errors"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The pitfalls of other health libraries, with one test for each. docs/decisions.md lists them, and
// also the ones that are not possible here.

// TestTrapStaleGreen: a hung check does not keep its last success.
func TestTrapStaleGreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		release := make(chan struct{})
		k := newKit(t, ofChecks(Check{Name: "database", FailureThreshold: 100, Func: func(context.Context) error {
			if hangs.Load() {
				<-release
			}
			return nil
		}})).start()
		wait(time.Second)
		k.want("/ready", 200, verdict.Pass)
		hangs.Store(true)
		wait(time.Minute) // 100 failures would take far longer
		k.want("/ready", 503, verdict.Fail)
		close(release)
	})
}

// TestTrapOneSlowCheckBlocksProbe: a slow check delays no probe and no other check.
func TestTrapOneSlowCheckBlocksProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		k := newKit(t, ofChecks(
			Check{Name: "slow", OnFail: WarnOnly, Func: func(ctx context.Context) error { <-ctx.Done(); return nil }, Interval: 10 * time.Second, Timeout: 10 * time.Second},
			Check{Name: "quick", Interval: time.Second, FailureThreshold: 1, Func: func(context.Context) error {
				if down.Load() {
					return errDown
				}
				return nil
			}})).start()
		wait(10 * time.Millisecond)
		down.Store(true)
		wait(3 * time.Second) // slow's first run has not ended
		began := time.Now()
		k.want("/ready", 503, verdict.Fail)
		if d := time.Since(began); d > 0 {
			t.Errorf("the probe took %v", d)
		}
	})
}

// TestTrapSerialChecks: ten checks of 20 ms take 20 ms together.
func TestTrapSerialChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks []Check
		for _, name := range strings.Split("abcdefghij", "") {
			checks = append(checks, Check{Name: name, Func: func(context.Context) error { wait(20 * time.Millisecond); return nil }})
		}
		k := newKit(t, ofChecks(checks...)).start()
		k.want("/ready", 503, verdict.Fail)
		wait(31 * time.Millisecond) // and 10 between judgements
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestTrapClientDisconnect: a client that disconnects does not fail the check of the database.
func TestTrapClientDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		k := newKit(t, ofChecks(Check{Name: "database", Func: func(ctx context.Context) error {
			runs.Add(1)
			wait(50 * time.Millisecond)
			return ctx.Err()
		}})).start()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		ask := func() int {
			w := httptest.NewRecorder()
			k.handler.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, "/ready", nil))
			return w.Code
		}
		ask() // during the first run
		wait(time.Second)
		for range 100 {
			if code := ask(); code != 200 {
				t.Fatalf("/ready %d", code)
			}
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("%d runs, want the one of its own clock", n)
		}
	})
}

// TestTrapNeverSucceededIsUp: a check that has never worked fails without a threshold.
func TestTrapNeverSucceededIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", FailureThreshold: 5, Func: down})).start()
		wait(100 * time.Millisecond)
		k.state("database", verdict.Fail)
		k.want("/ready", 503, verdict.Fail)
	})
}

// TestTrapGoroutinePerTimeout: a check that ignores its context has one run under way, after any
// number of timeouts.
func TestTrapGoroutinePerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var runs atomic.Int64
		newKit(t, ofChecks(Check{Name: "database", Interval: time.Second, Func: func(context.Context) error {
			runs.Add(1)
			<-release
			return nil
		}})).start()
		settled := func(d time.Duration) {
			wait(d)
			synctest.Wait() // a judgement at this moment may have goroutines of its own
		}
		settled(time.Second)
		before := runtime.NumGoroutine()
		settled(50 * time.Second)
		if n, now := runs.Load(), runtime.NumGoroutine(); n != 1 || now > before {
			t.Errorf("%d runs, %d goroutines; want 1 and at most %d", n, now, before)
		}
		close(release)
	})
}

// TestTrapListenerUnderLock: log handlers and checks can call all methods of the Monitor.
func TestTrapListenerUnderLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k *kit
		asks := func() {
			k.Hold("listener")()
			k.Verdict()
			k.metric("health.lifecycle.status")
			k.Heartbeat("listener", 0).Close()
			if remove, err := k.Add(Check{Name: "of the listener", Func: ok}); err == nil {
				remove()
			}
		}
		var records atomic.Int64
		k = newKit(t, ofChecks(Check{Name: "database", Func: func(context.Context) error { asks(); return nil }}))
		k.pipeline.Logger = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) { records.Add(1); asks(); return len(b), nil }), nil))
		k.start()
		wait(2 * time.Second)
		k.want("/ready", 200, verdict.Pass)
		k.beginDrain()
		wait(2 * time.Second)
		k.want("/ready", 503, verdict.Fail)
		if records.Load() == 0 {
			t.Error("nothing was logged")
		}
	})
}

// TestTrapMetricRunsCheck: scrapes run no check.
func TestTrapMetricRunsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		k := newKit(t, ofChecks(Check{Name: "database", Func: func(context.Context) error { runs.Add(1); return nil }})).start()
		wait(time.Second)
		for range 5 {
			k.state("database", verdict.Pass) // collects five times
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("%d runs", n)
		}
	})
}

// TestTrapUnclearInput: an indicator reports data that it can't read and does not guess. Missing
// data is not a failure.
func TestTrapUnclearInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(
			rule.Rule{Name: "idle", OnFail: NotReady, Value: rule.Increase("exports.failed"), Window: time.Minute, Fail: rule.Above(3)},
			rule.Rule{Name: "unclear", Value: rule.Increase("exports.queued"), Window: time.Minute, Fail: rule.Above(3)}))
		m := k.provider.Meter("test")
		if _, err := m.Int64Counter("exports.failed"); err != nil {
			t.Fatal(err)
		}
		queued, err := m.Int64Gauge("exports.queued")
		if err != nil {
			t.Fatal(err)
		}
		queued.Record(t.Context(), 9)
		k.start()
		wait(2 * time.Second)
		k.state("idle", verdict.Pass)
		k.state("unclear", verdict.Unknown)
		if out := k.Verdict().Results[1].Reason; !strings.Contains(out, "exports.queued is of kind gauge") {
			t.Errorf("output %q", out)
		}
	})
}

// TestTrapLiveIsHealth: a failed database does not restart the process, because a restart would not
// repair it.
func TestTrapLiveIsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: down})).start()
		wait(time.Second)
		k.want("/ready", 503, verdict.Fail)
		k.want("/health", 200, verdict.Pass)
	})
}

// TestTrapTwoWritersOfReadiness: several requests may come in any order, and one judge decides.
func TestTrapTwoWritersOfReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				release := k.Hold("cache")
				lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour))
				if err != nil {
					t.Error(err)
					return
				}
				wait(time.Second)
				release()
				release() // twice has the effect of once
				if code, _ := k.get("/ready"); code != 503 {
					t.Errorf("/ready %d with maintenance open", code)
				}
				wait(time.Second)
				lift()
				lift()
			})
		}
		wg.Wait()
		wait(50 * time.Millisecond)
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestTrapSharedDependency: an auxiliary dependency of all replicas takes none of them out.
func TestTrapSharedDependency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, instance := range []string{"a", "b", "c"} {
			k := newInstance(t, instance, nil, ofChecks(Check{Name: "search", OnFail: WarnOnly, Func: down})).start()
			wait(time.Second)
			k.want("/ready", 200, verdict.Warn)
		}
	})
}

// TestTrapUnknownIs200: before the first run, a check is unknown and readiness fails.
func TestTrapUnknownIs200(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: func(context.Context) error { wait(time.Second); return nil }})).start()
		k.state("database", verdict.Unknown)
		k.want("/ready", 503, verdict.Fail)
		k.want("/startup", 200, verdict.Pass)
		wait(1100 * time.Millisecond)
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestTrapThunderingHerd: instances that start together run their checks at different times. A
// restart keeps the phase.
func TestTrapThunderingHerd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := func(instance string) time.Duration {
			var times []time.Time
			k := newInstance(t, instance, nil, ofChecks(Check{Name: "database", Interval: 10 * time.Second, Func: func(context.Context) error { times = append(times, time.Now()); return nil }})).start()
			wait(11 * time.Second)
			k.Stop()
			return times[1].Sub(times[0])
		}
		seen := map[time.Duration]bool{}
		for _, instance := range []string{"a", "b", "c", "d", "e"} {
			d := second(instance)
			if d < 5*time.Second || d > 10*time.Second || d != second(instance) {
				t.Errorf("%s: the second run after %v, or not always", instance, d)
			}
			seen[d] = true
		}
		if len(seen) != 5 {
			t.Errorf("only %d different phases of 5 instances", len(seen))
		}
	})
}

// TestTrapPanicKillsProcess: a check that panics or ends its goroutine is run again.
func TestTrapPanicKillsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		bad.Store(true)
		check := func(name string, end func()) Check {
			return Check{Name: name, OnFail: WarnOnly, Interval: time.Second, SuccessThreshold: 1, Func: func(context.Context) error {
				if bad.Load() {
					end()
				}
				return nil
			}}
		}
		k := newKit(t, ofChecks(check("panic", func() { panic("hunter2") }), check("exit", runtime.Goexit))).start()
		wait(5 * time.Second)
		k.state("panic", verdict.Fail)
		k.state("exit", verdict.Fail)
		bad.Store(false)
		wait(5 * time.Second)
		k.state("panic", verdict.Pass)
		k.state("exit", verdict.Pass)
	})
}

// TestTrapMaintenanceOnlyMutes: the metrics say maintenance too, and checks are still judged.
func TestTrapMaintenanceOnlyMutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: ok})).start()
		wait(time.Second)
		if _, err := k.Maintain("upgrade", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		wait(50 * time.Millisecond)
		k.want("/ready", 503, verdict.Fail)
		k.state("database", verdict.Pass)
		for _, l := range states.Phases {
			if v := k.metric("health.lifecycle.status", conventions.Lifecycle.String(string(l))); (v == 1) != (l == states.Maintenance) {
				t.Errorf("health.lifecycle.status{%s} is %v", l, v)
			}
		}
	})
}

// TestTrapDrainingIsFailure: an alert can distinguish a roll-out from an outage.
func TestTrapDrainingIsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: ok})).start()
		wait(time.Second)
		k.cancel()
		wait(50 * time.Millisecond)
		k.want("/ready", 503, verdict.Fail)
		k.state("database", verdict.Pass)
		if v := k.metric("health.lifecycle.status", conventions.Lifecycle.String(string(states.Draining))); v != 1 {
			t.Errorf("health.lifecycle.status{draining} is %v", v)
		}
	})
}

// TestTrapShutdown: many goroutines call Stop during other calls.
func TestTrapShutdown(t *testing.T) {
	k := newKit(t, ofChecks(Check{Name: "database", Interval: minTick, Func: ok})).start()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			k.get("/ready")
			k.Stop()
			k.beginDrain()
			k.evaluate()
			k.metric("health.lifecycle.status")
			k.Hold("late")()
		})
	}
	wg.Wait()
	if err := k.StartWith(t.Context(), k.pipeline); !errors.Is(err, cfgerrors.ErrStopped) {
		t.Errorf("Start after Stop: %v", err)
	}
}

// TestTrapLeak: the public endpoint shows no text of an error. TestProbeAllocations covers its
// cost.
func TestTrapLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(
			Check{Name: "database", Func: down},
			Check{Name: "slow", Func: func(context.Context) error { return checks.Warning(errDown) }},
			Check{Name: "search", OnFail: WarnOnly, Func: func(context.Context) error { panic(errDown) }})).start()
		wait(time.Second)
		for _, path := range []string{"/ready", "/ready?verbose", "/health?verbose", "/startup?verbose", "/ready?full=1&errors=true"} {
			w := httptest.NewRecorder()
			k.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if strings.Contains(w.Body.String(), "hunter2") || strings.Contains(w.Body.String(), "postgres://") {
				t.Errorf("%s: %s", path, w.Body)
			}
		}
	})
}

// TestTrapHeadIs405: HEAD gets the same code as GET.
func TestTrapHeadIs405(t *testing.T) {
	k := newKit(t, Config{}).start()
	for _, want := range []int{200, 503} {
		w := httptest.NewRecorder()
		k.handler.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/ready", nil))
		if w.Code != want || w.Body.Len() > 0 {
			t.Errorf("HEAD %d with %d bytes, want %d without", w.Code, w.Body.Len(), want)
		}
		k.beginDrain()
		k.evaluate()
	}
}

// TestTrapFlappingRestartsWindow: half of all seconds are bad, so good and bad periods are both
// short. The window counts all of them, and the state does not flap.
func TestTrapFlappingRestartsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := rule.Increase("jobs")
		k := newKit(t, ofRules(
			rule.Rule{Name: "errors", Value: rule.Ratio(jobs.Where("ok", "false"), jobs), Fail: rule.Above(.2)},
			rule.Rule{Name: "queue", KeepFor: 5 * time.Second, Value: rule.Last("length"), Fail: rule.Above(80)}))
		m := k.provider.Meter("test")
		c, err1 := m.Int64Counter("jobs")
		g, err2 := m.Int64Gauge("length")
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		k.start()
		time.Sleep(500 * time.Millisecond) // between the collections
		for n := range 120 {
			c.Add(t.Context(), 20, metric.WithAttributes(attrOK.Bool(n%2 == 0)))
			g.Record(t.Context(), int64(90*(n%2)))
			time.Sleep(time.Second)
			if n > 2 {
				k.state("errors", verdict.Fail)
				k.state("queue", verdict.Fail)
			}
		}
	})
}

const attrOK = attribute.Key("ok")

// TestTrapRegistrationOrder: readiness begins once, for checks in any order.
func TestTrapRegistrationOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(name string, d time.Duration) Check {
			return Check{Name: name, Func: func(context.Context) error { wait(d); return nil }}
		}
		k := newKit(t, ofChecks(after("b", 900*time.Millisecond), after("a", 0), after("c", 300*time.Millisecond))).start()
		flips, was := 0, 503
		for range 200 {
			code, _ := k.get("/ready")
			if code != was {
				flips, was = flips+1, code
			}
			wait(10 * time.Millisecond)
		}
		if flips != 1 || was != 200 {
			t.Errorf("%d flips to %d, want one to 200", flips, was)
		}
		if n := k.metric("health.check.transitions", conventions.CheckName.String("a"), conventions.CheckState.String("pass")); n != -1 {
			t.Errorf("the first evidence counts as %v transitions", n)
		}
	})
}
