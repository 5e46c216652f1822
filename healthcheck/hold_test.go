package healthcheck

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// trafficRule drives a rule on latency second by second, without a Monitor: an
// hour costs nothing.
type trafficRule struct {
	*judge.Rule
	now       time.Time
	good, bad uint64
}

func newTrafficRule(role Role, instance string, keepFor time.Duration) *trafficRule {
	c := Check{Name: "latency", Role: role, KeepFor: keepFor, Limit: Quantile("m", .99, 30*time.Second).AtMost(.5)}
	d := &trafficRule{now: time.Now()}
	d.Rule = ruleOf(c, evidence.NewSampler((*query.Limit)(&c.Limit), role == Core, synchronous), foreign, d.now, spread(instance, c.Name))
	d.second(0, 0)
	return d
}

// used is a core rule that knows its usual traffic, in requests a second, and goes
// out after the shortest notice.
func used(usual uint64) *trafficRule {
	d := newTrafficRule(Core, "a", 0)
	d.Hold.Spread = 0
	d.seconds(40, usual, 0)
	return d
}

// second lets one pass with requests within the limit and beyond it.
func (d *trafficRule) second(good, bad uint64) State {
	d.now = d.now.Add(time.Second)
	d.good, d.bad = d.good+good, d.bad+bad
	d.Sampler.Sample(d.now, collection("s", hist(cum, []float64{.5}, []uint64{d.good, d.bad})))
	return d.Assess(memory.Moment{Now: d.now}).State
}

// seconds lets some pass and returns the worst state of them.
func (d *trafficRule) seconds(n int, good, bad uint64) State {
	worst := Pass
	for range n {
		if s := d.second(good, bad); states.Severity(s) > states.Severity(worst) {
			worst = s
		}
	}
	return worst
}

// until is how long it takes to come to a state, with the same traffic each second.
func (d *trafficRule) until(s State, good, bad uint64) time.Duration {
	began := d.now
	for d.second(good, bad) != s && d.now.Sub(began) < time.Hour {
	}
	return d.now.Sub(began)
}

// stays is how long the rule goes on in a state, with the same traffic each second.
func (d *trafficRule) stays(s State, good, bad uint64) time.Duration {
	began := d.now
	for d.second(good, bad) == s && d.now.Sub(began) < time.Hour {
	}
	return d.now.Sub(began)
}

// TestHoldWithoutTraffic: once out, a pod has no evidence that it is well again.
// It gets one trial, and then it is over.
func TestHoldWithoutTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name = "http.server.request.duration"
		k := newKit(t, Check{Name: "latency", Role: Core, Limit: Quantile(name, .99, 30*time.Second).AtMost(.5)})
		requests, err := k.provider.Meter("test").Float64Histogram(name, metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(500 * time.Millisecond) // between the collections: each sees the requests of one second
		second := func(took float64) {
			for range 20 {
				requests.Record(t.Context(), took)
			}
			wait(time.Second)
		}
		for range 35 {
			second(.1)
		}
		out := 0
		for code := 200; code == 200 && out < 60; out++ {
			second(2)
			code, _ = k.get("/ready")
		}
		if out < 10 || out > 45 {
			t.Errorf("out after %d s, want the notice of 10 s to 40 s", out)
		}
		k.want("/ready", 503, Fail)
		k.want("/health", 200, Pass)
		time.Sleep(22 * time.Second) // 20 % less than the hold
		k.want("/ready", 503, Fail)
		wait(14 * time.Second)
		k.want("/ready", 200, Warn)
		wait(76 * time.Second)
		k.want("/ready", 200, Warn)
		wait(15 * time.Second)
		k.want("/ready", 200, Pass)
		k.state("latency", Pass)
	})

	d := used(20)
	d.until(Fail, 0, 20)
	last, changes := Fail, 0
	for range 3600 {
		if s := d.second(0, 0); s != last {
			last, changes = s, changes+1
		}
	}
	if last != Pass || changes != 2 {
		t.Errorf("%s after an hour and %d changes, want fail, warn, pass", last, changes)
	}
}

// TestHoldDoubles each time that the trial fails, up to 300 s; a trial that went
// well begins anew.
func TestHoldDoubles(t *testing.T) {
	d := used(20)
	d.Hold.Spread = .5 // holds neither longer nor shorter
	d.until(Fail, 0, 20)
	for _, want := range []time.Duration{30, 60, 120, 240, 300, 300} {
		want *= time.Second
		if got := d.stays(Fail, 0, 0); got != want {
			t.Errorf("out for %v, want %v", got, want)
		}
		if got := d.until(Fail, 0, 20); got > 32*time.Second {
			t.Errorf("on trial for %v, and failing; want its window", got)
		}
	}
	d.stays(Fail, 0, 0)
	if got, want := d.stays(Warn, 20, 0), 30*time.Second+memory.TrialLength; got != want {
		t.Errorf("on trial for %v, want %v", got, want)
	}
	d.until(Fail, 0, 20)
	if got := d.stays(Fail, 0, 0); got != memory.HoldLength {
		t.Errorf("out for %v after a good trial, want %v", got, memory.HoldLength)
	}
}

// TestForgets: a reading from before the end of the hold is no evidence against
// the trial, even if it was taken in the same instant or while the judge was at
// work.
func TestForgets(t *testing.T) {
	d := used(20)
	d.until(Fail, 0, 20)
	s := Fail
	for until := d.Hold.Until; d.now.Before(until); {
		s = d.second(0, 20) // late ones: the last reading is as bad as can be
	}
	if s != Warn {
		t.Errorf("%s at the end of the hold, want warn", s)
	}
	if f := d.Assess(memory.Moment{Now: d.now}); f.State != Warn {
		t.Errorf("judged again: %s (%s), want warn", f.State, f.Output)
	}
	if s := d.second(20, 0); s != Warn {
		t.Errorf("with good traffic: %s, want warn", s)
	}
}

// TestLongKeepFor: the cap is of the doubling; a second hold is no shorter than
// the one that was asked for.
func TestLongKeepFor(t *testing.T) {
	h := memory.Ejection{Length: 10 * time.Minute, Spread: .5}
	for h.Times = range 3 {
		if d := h.Duration(); d != h.Length {
			t.Errorf("hold %d is %v, want %v", h.Times+1, d, h.Length)
		}
	}
}

// TestHoldSpreads: pods that fail together neither leave nor come back together.
func TestHoldSpreads(t *testing.T) {
	out, back := map[time.Duration]bool{}, map[time.Duration]bool{}
	for _, instance := range []string{"a", "b", "c", "d"} {
		d := newTrafficRule(Core, instance, 0)
		d.seconds(40, 20, 0)
		left := d.until(Fail, 0, 20)
		if left < 10*time.Second || left > 42*time.Second {
			t.Errorf("%s: left after %v, want 10 s to 40 s", instance, left)
		}
		got := d.stays(Fail, 0, 0)
		if got < 24*time.Second || got > 37*time.Second {
			t.Errorf("%s: out for %v, want 30 s and 20 %% more or less", instance, got)
		}
		out[left], back[got] = true, true
	}
	if len(out) < 2 || len(back) < 2 {
		t.Errorf("all left after %v and were out for %v", out, back)
	}
	a, b := newTrafficRule(Core, "a", time.Minute).Hold, newTrafficRule(Core, "b", time.Minute).Hold
	if a.Duration() == b.Duration() || a.Length != time.Minute {
		t.Errorf("KeepFor of a minute: %v and %v", a.Duration(), b.Duration())
	}
}

// TestOverloadedStays: more traffic than usual is no fault of the instance. Once
// the traffic is as usual again, old evidence does not count.
func TestOverloadedStays(t *testing.T) {
	d := used(20)
	if s := d.seconds(600, 0, 30); s != Warn {
		t.Errorf("%s at 1.5 times the usual traffic, want warn", s)
	}
	if f := d.Assess(memory.Moment{Now: d.now}); !strings.Contains(f.Output, "stays in, having 1.") {
		t.Errorf("the output is %q", f.Output)
	}
	if s := d.seconds(120, 20, 0); s != Warn {
		t.Errorf("%s after it, want warn until the window is over", s)
	}
	d.until(Pass, 20, 0)
	if got := d.until(Fail, 0, 20); got > 15*time.Second {
		t.Errorf("slow at its usual traffic: out after %v, want the notice of 10 s", got)
	}
}

// TestNewcomerStays: what an instance can bear is not known before its first window
// is over; slow from birth, it goes out then.
func TestNewcomerStays(t *testing.T) {
	d := newTrafficRule(Core, "a", 0)
	d.Hold.Spread = 0
	if got := d.until(Fail, 0, 20); got < 29*time.Second || got > 42*time.Second {
		t.Errorf("out after %v, want 30 s to 40 s", got)
	}
}

// TestUsualTraffic follows the day, but not the work of peers that left.
func TestUsualTraffic(t *testing.T) {
	d := used(20)
	usual := func(what string, low, high float64) {
		t.Helper()
		if got := d.Hold.Burden.Usual; got < low || got > high {
			t.Errorf("%s: %v a second are usual, want %v to %v", what, got, low, high)
		}
	}
	d.seconds(120, 40, 0)
	usual("doubled for two minutes", 20, 25)
	d.seconds(3600, 40, 0)
	usual("doubled for an hour", 39, 40)
	d.seconds(1800, 0, 0)
	usual("nothing to do for half an hour", 35, 40)
	d.seconds(600, 10, 0)
	usual("a quarter for ten minutes", 10, 11)
	d.seconds(600, 0, 40)
	usual("overloaded for ten minutes", 10, 16)
}

// TestNineBadEvents are too few to take a pod out, whatever share they are.
func TestNineBadEvents(t *testing.T) {
	d := used(1)
	if s := d.seconds(9, 0, 1); s != Warn {
		t.Errorf("9 bad events: %s, want warn", s)
	}
	if s := d.seconds(60, 1, 0); s != Warn {
		t.Errorf("9 bad events and good ones: %s, want warn", s)
	}
	if got := d.until(Fail, 0, 1); got < 19*time.Second || got > 25*time.Second {
		t.Errorf("one a second: out after %v, want 10 s for ten and 10 s of notice", got)
	}
	if s := newTrafficRule(Auxiliary, "a", 0).second(3, 9); s != Fail {
		t.Errorf("auxiliary: %s, want fail: it moves no traffic", s)
	}
}

// TestLongWindow: over the limit in the window, but not in four.
func TestLongWindow(t *testing.T) {
	d := used(50)
	d.seconds(120, 50, 0)
	// 2 % are bad: over 1 % of the window after 15 s, over 1 % of four after 60 s.
	if got := d.until(Fail, 49, 1); got < 69*time.Second || got > 74*time.Second {
		t.Errorf("out after %v, want 60 s and 10 s of notice", got)
	}
}

// TestEmptiedEvidence is no recovery: what failed stays so until its time is over.
func TestEmptiedEvidence(t *testing.T) {
	core := newTrafficRule(Core, "a", time.Minute)
	core.Hold.Spread = .5
	core.seconds(40, 20, 0)
	core.until(Fail, 0, 20)
	if got := core.stays(Fail, 0, 0); got != time.Minute {
		t.Errorf("core: out for %v, want KeepFor", got)
	}
	auxiliary := newTrafficRule(Auxiliary, "a", time.Minute)
	auxiliary.second(0, 20)
	// It is in the window for 30 s, and then KeepFor begins.
	if got := auxiliary.stays(Fail, 0, 0); got < 89*time.Second || got > 92*time.Second {
		t.Errorf("auxiliary: failed for %v, want 30 s and KeepFor", got)
	}
}

// TestForAndKeepFor of a gauge: crossings shorter than For count for nothing, and
// gaps shorter than KeepFor are no recovery.
func TestForAndKeepFor(t *testing.T) {
	c := Check{Name: "queue", For: 5 * time.Second, KeepFor: 10 * time.Second, Limit: Last("m").AtMost(80).WarnAbove(50)}
	now := time.Now()
	r := ruleOf(c, evidence.NewSampler((*query.Limit)(&c.Limit), false, synchronous), foreign, now, .5)
	steps := []struct {
		value   float64
		seconds int
		want    State // at the end; all the seconds before it, what it was before
	}{
		{95, 5, Pass}, {0, 1, Pass}, {95, 5, Pass}, // 5 s are the sixth reading
		{95, 1, Fail},
		{0, 9, Fail}, {95, 1, Fail}, {0, 10, Fail}, // the gap begins anew
		{0, 1, Pass},
		{60, 5, Pass}, {60, 1, Warn}, {95, 5, Warn}, {95, 1, Fail},
		{60, 11, Warn}, // no failure for KeepFor, but still over the milder limit
	}
	was := Pass
	for n, st := range steps {
		for i := range st.seconds {
			now = now.Add(time.Second)
			r.Sampler.Sample(now, collection("{item}", gauge(point(st.value))))
			want := was
			if i == st.seconds-1 {
				want = st.want
			}
			if f := r.Assess(memory.Moment{Now: now}); f.State != want {
				t.Fatalf("step %d, second %d at %v: %s (%s), want %s", n, i+1, st.value, f.State, f.Output, want)
			}
		}
		was = st.want
	}
}
