package healthcheck

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestAdd: checks are added and removed while the process runs. A new check does not fail readiness
// before its first run, and a removed one leaves nothing behind.
func TestAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofChecks(Check{Name: "database", Func: ok})).start()
		wait(time.Second)
		var runs atomic.Int64
		remove, err := k.Add(Check{Name: "tenant", Interval: time.Second, Func: func(context.Context) error {
			runs.Add(1)
			wait(500 * time.Millisecond)
			return errDown
		}})
		if err != nil {
			t.Fatal(err)
		}
		flips := 0
		for range 49 {
			if code, _ := k.get("/ready"); code != 200 {
				flips++
			}
			wait(10 * time.Millisecond)
		}
		if flips > 0 {
			t.Errorf("not ready %d times before the first run has ended", flips)
		}
		wait(time.Second)
		k.want("/ready", 503, verdict.Fail)
		k.state("tenant", verdict.Fail)
		if _, err := k.Add(Check{Name: "tenant", Func: ok}); err == nil || !strings.Contains(err.Error(), `tenant: Name: "tenant" is used twice`) {
			t.Errorf("the name again: %v", err)
		}
		remove()
		if v := k.Verdict(); len(v.Results) != 1 || v.Readiness.State != verdict.Pass {
			t.Errorf("after remove: %+v", v)
		}
		k.want("/ready", 200, verdict.Pass)
		name := conventions.CheckName.String("tenant")
		if got := k.metric("health.check.status", name, conventions.CheckState.String("fail")); got != -1 {
			t.Errorf("health.check.status is %v after remove", got)
		}
		before := runs.Load()
		wait(10 * time.Second)
		if n := runs.Load(); n != before {
			t.Errorf("%d runs after remove", n-before)
		}
		remove() // must not remove the new one
		again, err := k.Add(Check{Name: "tenant", Func: ok})
		if err != nil {
			t.Fatal(err)
		}
		remove()
		wait(time.Second)
		k.state("tenant", verdict.Pass)
		again()
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestAddIsValidated: Add returns all mistakes at once, as Start does, and adds nothing.
func TestAddIsValidated(t *testing.T) {
	k := newKit(t, Config{}).start()
	_, add := k.Add(Check{Name: "*", Interval: -1, Timeout: -1})
	_, addRule := k.AddRule(rule.Rule{Name: "latency", Value: rule.Quantile(99, "took"), Window: 30})
	for name, c := range map[string]struct {
		err    error
		fields string
	}{"Add": {add, "Name Func Interval Timeout"}, "AddRule": {addRule, "Window Value Fail"}} {
		var fields []string
		for e := range cfgerrors.All(c.err) {
			fields = append(fields, e.Field)
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%s: %s, want %s: %v", name, got, c.fields, c.err)
		}
	}
	if n := len(k.Verdict().Results); n != 0 {
		t.Errorf("%d are judged", n)
	}
}

// TestAddBeforeStart: a check that is added before Start counts like one in the configuration.
func TestAddBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{})
		if _, err := k.Add(Check{Name: "database", Func: down}); err != nil {
			t.Fatal(err)
		}
		remove, err := k.Add(Check{Name: "search", Func: down})
		if err != nil {
			t.Fatal(err)
		}
		remove()
		k.start()
		wait(time.Second)
		k.state("database", verdict.Fail)
		if n := len(k.Verdict().Results); n != 1 {
			t.Errorf("%d are judged, want 1", n)
		}
	})
}

// TestAddRule: a new rule is judged at once by recorded values. A limit must be a bucket boundary
// if the histogram exists. A later histogram gets any limit as a boundary.
func TestAddRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		k.Queue("jobs", 0, func() int { return 90 })
		took, err := k.provider.Meter("test").Float64Histogram("took", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(.1, .5, 1))
		if err != nil {
			t.Fatal(err)
		}
		took.Record(t.Context(), .7)
		remove, err := k.AddRule(rule.Rule{Name: "queue", OnFail: NotReady, Value: rule.Last("queue.length"), Fail: rule.Above(80)})
		if err != nil {
			t.Fatal(err)
		}
		wait(50 * time.Millisecond)
		k.want("/ready", 503, verdict.Fail)
		k.state("queue", verdict.Fail)
		remove()
		k.want("/ready", 200, verdict.Pass)

		slow := rule.Rule{Name: "slow", Value: rule.Quantile(.5, "took"), MinEvents: 1, Fail: rule.Above(300 * time.Millisecond)}
		_, err = k.AddRule(slow)
		n := 0
		for e := range cfgerrors.All(err) {
			if n++; e.Item != "slow" || e.Field != "Fail" || !strings.Contains(e.Problem, "0.3 is not a bucket boundary of took") {
				t.Errorf("%+v", e)
			}
		}
		if n != 1 || len(k.Verdict().Results) != 0 {
			t.Errorf("a limit that is no boundary: %v; %d are judged", err, len(k.Verdict().Results))
		}
		slow.Fail = rule.Above(500 * time.Millisecond)
		if _, err := k.AddRule(slow); err != nil {
			t.Fatal(err)
		}
		took.Record(t.Context(), .7)
		wait(2 * time.Second)
		k.state("slow", verdict.Fail)

		if _, err := k.AddRule(rule.Rule{Name: "later", Value: rule.Quantile(.5, "lasted"), MinEvents: 1, Fail: rule.Above(321 * time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
		lasted, err := k.provider.Meter("test").Float64Histogram("lasted", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		lasted.Record(t.Context(), .322)
		wait(2 * time.Second)
		k.state("later", verdict.Fail)
	})
}

// TestWarning: a Warning warns and counts as a success. The response has the class of its error,
// not the text.
func TestWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if checks.Warning(nil) != nil {
			t.Error("Warning(nil) is an error")
		}
		var says atomic.Value
		says.Store(ok)
		k := newKit(t, ofChecks(Check{Name: "database", Interval: time.Second, Func: func(ctx context.Context) error {
			return says.Load().(func(context.Context) error)(ctx)
		}})).start()
		wait(1500 * time.Millisecond)
		k.want("/ready", 200, verdict.Pass)
		says.Store(func(context.Context) error { return checks.Warning(context.DeadlineExceeded) })
		wait(time.Second)
		body := k.want("/ready", 200, verdict.Warn)
		if body["output"] != "database: works, with a warning: timeout" {
			t.Errorf("%v", body["output"])
		}
		k.state("database", verdict.Warn)
		if n := k.metric("health.check.consecutive_failures", conventions.CheckName.String("database")); n != 0 {
			t.Errorf("%v failures", n)
		}
		if n := k.metric("health.check.duration", conventions.CheckName.String("database"), conventions.ErrorType.String("timeout")); n != -1 {
			t.Errorf("%v runs count as errors", n)
		}
		says.Store(down)
		wait(5 * time.Second) // 1 s, 1 s
		k.want("/ready", 503, verdict.Fail)
		says.Store(func(context.Context) error { return checks.Warning(errDown) })
		wait(3 * time.Second) // two warnings count as two successes
		k.want("/ready", 200, verdict.Warn)
	})
}
