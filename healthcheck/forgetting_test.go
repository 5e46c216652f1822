package healthcheck

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// An omitted setting makes a service less ready, or is an error. It never makes a service more
// ready.

// TestForgottenOnFail: a plain check of a database that is down takes the instance out of
// traffic, and restarts nothing.
func TestForgottenOnFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: down})).start()
		wait(time.Second)
		k.want("/ready", 503, verdict.Fail)
		k.want("/health", 200, verdict.Pass)
		if r := k.result("database"); r.OnFail != NotReady {
			t.Errorf("OnFail is %q", r.OnFail)
		}
	})
}

// TestForgottenOnFailOfRule: a plain rule warns, because taking out slow instances overloads
// the others.
func TestForgottenOnFailOfRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(1)}))
		k.Queue("jobs", 0, func() int { return 2 })
		k.start()
		k.want("/ready", 200, verdict.Warn)
		k.state("queue", verdict.Fail)
		if r := k.result("queue"); r.OnFail != WarnOnly {
			t.Errorf("OnFail is %q", r.OnFail)
		}
	})
}

// TestDatabaseRestartsNothingUnasked: only Restart at a check itself makes it fail liveness. The
// defaults and operators can't set it.
func TestDatabaseRestartsNothingUnasked(t *testing.T) {
	for effect, health := range map[verdict.Effect]int{"": 200, NotReady: 200, WarnOnly: 200, ShowOnly: 200, Restart: 503} {
		synctest.Test(t, func(t *testing.T) {
			k := newKit(t, ofChecks(Check{Name: "database", OnFail: effect, Func: down})).start()
			wait(time.Second)
			if code, _ := k.get("/health"); code != health {
				t.Errorf("%q: /health %d, want %d", effect, code, health)
			}
		})
	}
	err := New(Config{Defaults: Check{OnFail: Restart}}).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Defaults") {
		t.Errorf("Restart for every check: %v", err)
	}
	t.Setenv("HEALTH_OVERRIDES", "database=restart")
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: down})).start()
		wait(time.Second)
		k.want("/health", 200, verdict.Pass)
		if k.result("database").Overridden {
			t.Error("Restart by an operator")
		}
	})
}

// TestHeartbeatAfterStart: a heartbeat made after Start is judged and exported like an earlier one.
func TestHeartbeatAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		wait(2 * time.Second)
		worker := k.Heartbeat("worker", 5*time.Second)
		if again := k.Heartbeat("worker", 5*time.Second); again != worker {
			t.Error("the same name is another heartbeat")
		}
		worker.Close() // by one of the two
		worker.Begin()
		wait(2 * time.Second)
		k.state("worker", verdict.Pass)
		wait(5 * time.Second)
		k.state("worker", verdict.Fail)
		k.want("/health", 503, verdict.Fail)
		if n := k.metric("health.heartbeat.active", conventions.Heartbeat.String("worker")); n != 1 {
			t.Errorf("health.heartbeat.active is %v", n)
		}
		worker.Close()
		wait(50 * time.Millisecond)
		k.want("/health", 200, verdict.Pass)
		if n := k.metric("health.heartbeat.active", conventions.Heartbeat.String("worker")); n != -1 {
			t.Errorf("health.heartbeat.active is %v after Close", n)
		}
		worker.End() // has no effect
		if n := len(k.Verdict().Results); n != 0 {
			t.Errorf("%d results after Close", n)
		}
	})
}

// TestStopAlone: a stopped Monitor is not ready, even without the end of a context or without
// Start.
func TestStopAlone(t *testing.T) {
	k := newKit(t, ofChecks(Check{Name: "database", Func: ok})).start()
	k.Stop()
	k.want("/ready", 503, verdict.Fail)
	k.want("/health", 200, verdict.Pass)
	if v := k.Verdict(); v.Phase != "draining" || v.Readiness.Reason != "draining" {
		t.Errorf("%s: %s", v.Phase, v.Readiness.Reason)
	}
	select {
	case <-k.Drained():
	default:
		t.Error("Stop does not drain")
	}

	early := New(Config{})
	early.Stop()
	if v := early.Verdict(); v.Readiness.State != verdict.Fail || v.Liveness.State != verdict.Pass || v.Phase != "draining" {
		t.Errorf("after Stop before Start: %+v", v)
	}
	<-early.Drained()
}

// foreignKit is a Monitor with a provider that does not use its View.
func foreignKit(t *testing.T, c Config) *kit {
	t.Helper()
	k := &kit{t: t, Monitor: New(c), reader: sdkmetric.NewManualReader()}
	k.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader))
	k.pipeline = quiet(k.reader, k.provider)
	k.handler = k.Wrap(nil)
	return k
}

// TestForgottenView: a missing View is an error of Start, with and without data, and not a 503
// after the first request. A rule that needs no boundary needs no View.
func TestForgottenView(t *testing.T) {
	for name, r := range map[string]rule.Rule{
		"quantile": {Name: "latency", Value: rule.Quantile(.99, "took"), Fail: rule.Above(300 * time.Millisecond)},
		"share":    {Name: "latency", Value: rule.ShareAbove(300*time.Millisecond, "took"), Fail: rule.Above(.1)},
	} {
		for _, recorded := range []bool{false, true} {
			k := foreignKit(t, ofRules(r))
			took, err := k.provider.Meter("test").Float64Histogram("took", metric.WithUnit("s"))
			if err != nil {
				t.Fatal(err)
			}
			if recorded {
				took.Record(t.Context(), 1)
			}
			err = k.StartWith(t.Context(), k.pipeline)
			if err == nil || !strings.Contains(err.Error(), "View") || !strings.Contains(err.Error(), "latency: ") {
				t.Errorf("%s, recorded %v: %v", name, recorded, err)
			}
			if !recorded && !strings.Contains(err.Error(), "sdkmetric.WithView(health.View())") {
				t.Errorf("%s: the error does not name the line to write: %v", name, err)
			}
			n := 0
			for e := range cfgerrors.All(err) {
				if n++; e.Item != "latency" {
					t.Errorf("%+v", e)
				}
			}
			if n != 1 {
				t.Errorf("%d mistakes in %v", n, err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		k := foreignKit(t, ofRules(rule.Rule{Name: "errors", Value: rule.Increase("errors"), Fail: rule.Above(1)})).start()
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestForgottenReader: the error of a missing Reader names the line to write.
func TestForgottenReader(t *testing.T) {
	m := New(ofRules(rule.Rule{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(1)}))
	for name, err := range map[string]error{
		"Start": m.Start(t.Context()), "StartWith": m.StartWith(t.Context(), Pipeline{}),
	} {
		if err == nil || !strings.Contains(err.Error(), "telemetry.Config{Health: health}") || !strings.Contains(err.Error(), "queue: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		if err := m.StartWith(t.Context(), Pipeline{Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		defer m.Stop()
		if _, err := m.AddRule(rule.Rule{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(1)}); err == nil || !strings.Contains(err.Error(), "telemetry.Config{Health: health}") {
			t.Errorf("AddRule: %v", err)
		}
		if n := len(m.Verdict().Results); n != 0 {
			t.Errorf("%d rules are judged", n)
		}
	})
}

// TestConfigIsCopied: a change of a Config after New has no effect.
func TestConfigIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ofChecks(Check{Name: "database", Func: down})
		k := newKit(t, c)
		c.Checks[0] = Check{Name: "nothing", OnFail: ShowOnly, Func: func(context.Context) error { return nil }}
		k.start()
		wait(time.Second)
		k.want("/ready", 503, verdict.Fail)
		k.state("database", verdict.Fail)
	})
}

// TestEndTooMany does not hide the next piece of work.
func TestEndTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		h := k.Heartbeat("worker", time.Second)
		h.End()
		h.Begin()
		wait(5 * time.Second)
		k.want("/health", 503, verdict.Fail)
	})
}

// TestHeartbeatShared: a different stall time is reported, and the first Close changes nothing for the other
// worker.
func TestHeartbeatShared(t *testing.T) {
	m := New(Config{})
	m.Heartbeat("worker", time.Second)
	m.Heartbeat("worker", time.Hour)
	if err := m.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "worker: Heartbeat") {
		t.Errorf("two stall times: %v", err)
	}
	(&Heartbeat{}).Close() // a Heartbeat that no Monitor has made
}

// TestPerIsCopied: later changes of the caller's slice have no effect.
func TestPerIsCopied(t *testing.T) {
	per := []string{"queue.name"}
	m := New(ofRules(rule.Rule{Name: "queue", Value: rule.Last("queue.length"), Per: per, Fail: rule.Above(1)}))
	per[0] = ""
	err := m.StartWith(t.Context(), Pipeline{Reader: sdkmetric.NewManualReader()})
	for e := range cfgerrors.All(err) {
		if e.Field == "Per" {
			t.Error(e)
		}
	}
}
