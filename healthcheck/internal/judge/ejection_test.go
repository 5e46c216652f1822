package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// trafficRule judges a rule on latency second by second without a Monitor, so an hour takes no
// time.
type trafficRule struct {
	*Rule
	samples   *evidence.Sampler
	now       time.Time
	good, bad uint64
}

// newTrafficRule makes a rule that may eject, or only warns.
func newTrafficRule(ejects bool, jitter float64, keepFor time.Duration) *trafficRule {
	d := &trafficRule{now: time.Now()}
	d.Rule, d.samples = newRule(rule.Rule{Value: rule.Quantile(.99, "m"), Fail: rule.Above(500 * time.Millisecond), KeepFor: keepFor}, ejects, d.now, jitter)
	d.second(0, 0)
	return d
}

// used is a rule that ejects and has learned its usual traffic, in requests a second.
func used(jitter float64, usual uint64) *trafficRule {
	d := newTrafficRule(true, jitter, 0)
	d.seconds(40, usual, 0)
	return d
}

// Ejections of an instance without jitter.
const (
	delay        = 10 * time.Second // the shortest
	ejectionTime = 24 * time.Second // of the first: 30 s less 20 %
)

// second simulates a second with requests within the limit and beyond it.
func (d *trafficRule) second(good, bad uint64) verdict.State {
	d.now = d.now.Add(time.Second)
	d.good, d.bad = d.good+good, d.bad+bad
	d.samples.Sample(d.now, collection("s", latency(d.good, d.bad)))
	return d.evaluate().State
}

// evaluate judges without a new sample.
func (d *trafficRule) evaluate() Finding { return d.Evaluate(memory.Instant{Now: d.now}) }

// seconds simulates n seconds and returns the worst state.
func (d *trafficRule) seconds(n int, good, bad uint64) verdict.State {
	worst := verdict.Pass
	for range n {
		if s := d.second(good, bad); states.Severity(s) > states.Severity(worst) {
			worst = s
		}
	}
	return worst
}

// until returns how long it takes to reach a state with the same traffic every second.
func (d *trafficRule) until(s verdict.State, good, bad uint64) time.Duration {
	began := d.now
	for d.second(good, bad) != s && d.now.Sub(began) < time.Hour {
	}
	return d.now.Sub(began)
}

// stays returns how long the rule remains in a state with the same traffic every second.
func (d *trafficRule) stays(s verdict.State, good, bad uint64) time.Duration {
	began := d.now
	for d.second(good, bad) == s && d.now.Sub(began) < time.Hour {
	}
	return d.now.Sub(began)
}

// TestEjectedWithoutTraffic: an ejected instance has no evidence of recovery. It gets one
// probation, and then passes.
func TestEjectedWithoutTraffic(t *testing.T) {
	d := used(0, 20)
	d.until(verdict.Fail, 0, 20)
	last, changes := verdict.Fail, 0
	for range 3600 {
		if s := d.second(0, 0); s != last {
			last, changes = s, changes+1
		}
	}
	if last != verdict.Pass || changes != 2 {
		t.Errorf("%s after an hour and %d changes, want fail, warn, pass", last, changes)
	}
}

// TestEjectionDoubles: every failed probation doubles the ejection time, up to 300 s. A successful
// probation resets it.
func TestEjectionDoubles(t *testing.T) {
	d := used(.5, 20) // neither longer nor shorter
	d.until(verdict.Fail, 0, 20)
	for _, want := range []time.Duration{30, 60, 120, 240, 300, 300} {
		want *= time.Second
		if got := d.stays(verdict.Fail, 0, 0); got != want {
			t.Errorf("ejected for %v, want %v", got, want)
		}
		if got := d.until(verdict.Fail, 0, 20); got > 32*time.Second {
			t.Errorf("on probation for %v, and failing; want its window", got)
		}
	}
	d.stays(verdict.Fail, 0, 0)
	if got, want := d.stays(verdict.Warn, 20, 0), 90*time.Second; got != want {
		t.Errorf("on probation for %v, want %v: the window and 60 s", got, want)
	}
	d.until(verdict.Fail, 0, 20)
	if got := d.stays(verdict.Fail, 0, 0); got != 30*time.Second {
		t.Errorf("ejected for %v after a good probation, want 30 s", got)
	}
}

// TestForgets: a reading from before the end of an ejection does not count on probation, even if it was taken at the
// same instant or during the judgement.
func TestForgets(t *testing.T) {
	d := used(0, 20)
	d.until(verdict.Fail, 0, 20)
	s := verdict.Fail
	for end := d.now.Add(ejectionTime); d.now.Before(end); {
		if s != verdict.Fail {
			t.Fatalf("%s %v before the end", s, end.Sub(d.now))
		}
		s = d.second(0, 20) // late requests, so the last reading is bad
	}
	if s != verdict.Warn {
		t.Errorf("%s at the end of the ejection, want warn", s)
	}
	if f := d.evaluate(); f.State != verdict.Warn || f.Reason != "on probation after an ejection" {
		t.Errorf("judged again: %s (%s), want warn", f.State, f.Reason)
	}
	if s := d.second(20, 0); s != verdict.Warn {
		t.Errorf("with good traffic: %s, want warn", s)
	}
}

// TestReasons: the reason says why an instance is not ejected yet.
func TestReasons(t *testing.T) {
	d := used(0, 20)
	want := func(s verdict.State, reason string) {
		t.Helper()
		if f := d.evaluate(); f.State != s || !strings.HasSuffix(f.Reason, reason) {
			t.Errorf("%s, %q; want %s, %q", f.State, f.Reason, s, reason)
		}
	}
	d.seconds(3, 0, 20)
	want(verdict.Warn, "p99 over 0.5 s of at most 0.5; ejection in 7s")
	d.until(verdict.Fail, 0, 20)
	want(verdict.Fail, "ejected for 24s more")
	d.seconds(4, 0, 0)
	want(verdict.Fail, "ejected for 20s more")

	d = used(.5, 20) // the delay is 25 s
	d.seconds(4, 0, 20)
	d.seconds(24, 20, 0)
	want(verdict.Warn, "; not ejected, because it is over")

	d = newTrafficRule(true, 0, 0)
	d.seconds(5, 0, 20)
	want(verdict.Warn, "; not ejected until its traffic is known")
}

// TestEjectionsSpread: instances that fail together leave and return at different times.
func TestEjectionsSpread(t *testing.T) {
	for _, c := range []struct {
		jitter    float64
		left, out time.Duration
	}{
		{0, 10 * time.Second, 24 * time.Second},
		{.5, 25 * time.Second, 30 * time.Second},
		{1, 40 * time.Second, 36 * time.Second},
	} {
		d := used(c.jitter, 20)
		if got := d.until(verdict.Fail, 0, 20); got < c.left || got > c.left+2*time.Second {
			t.Errorf("%v: left after %v, want %v", c.jitter, got, c.left)
		}
		if got := d.stays(verdict.Fail, 0, 0); got != c.out {
			t.Errorf("%v: ejected for %v, want %v", c.jitter, got, c.out)
		}
	}
}

// TestOverloadedStays: an overloaded instance is not ejected. When traffic is usual again, evidence
// from the overload does not count.
func TestOverloadedStays(t *testing.T) {
	d := used(0, 20)
	if s := d.seconds(600, 0, 30); s != verdict.Warn {
		t.Errorf("%s at 1.5 times the usual traffic, want warn", s)
	}
	if f := d.evaluate(); !strings.Contains(f.Reason, "not ejected while it has 1.") {
		t.Errorf("the reason is %q", f.Reason)
	}
	if s := d.seconds(120, 20, 0); s != verdict.Warn {
		t.Errorf("%s after it, want warn until the window is over", s)
	}
	d.until(verdict.Pass, 20, 0)
	if got := d.until(verdict.Fail, 0, 20); got > delay+5*time.Second {
		t.Errorf("slow at its usual traffic: ejected after %v, want %v", got, delay)
	}
}

// TestNewcomerStays: the usual traffic of an instance is unknown until its first window is full. An instance that is
// slow from the start is ejected only after that.
func TestNewcomerStays(t *testing.T) {
	d := newTrafficRule(true, 0, 0)
	if got := d.until(verdict.Fail, 0, 20); got < 29*time.Second || got > 42*time.Second {
		t.Errorf("ejected after %v, want 30 s to 40 s", got)
	}
}

// TestNineBadEvents: nine bad events eject no instance, at any share.
func TestNineBadEvents(t *testing.T) {
	d := used(0, 1)
	if s := d.seconds(9, 0, 1); s != verdict.Warn {
		t.Errorf("9 bad events: %s, want warn", s)
	}
	if s := d.seconds(60, 1, 0); s != verdict.Warn {
		t.Errorf("9 bad events and good ones: %s, want warn", s)
	}
	if got := d.until(verdict.Fail, 0, 1); got < 19*time.Second || got > 25*time.Second {
		t.Errorf("one a second: ejected after %v, want 10 s for ten and %v", got, delay)
	}
	if s := newTrafficRule(false, 0, 0).second(3, 9); s != verdict.Fail {
		t.Errorf("a rule that only warns: %s, want fail: it moves no traffic", s)
	}
}

// TestLongWindow: a limit that is crossed in one window, but not in four, ejects no instance.
func TestLongWindow(t *testing.T) {
	d := used(0, 50)
	d.seconds(120, 50, 0)
	// 2 % are bad: over 1 % of the window after 15 s, over 1 % of four after 60 s.
	if got := d.until(verdict.Fail, 49, 1); got < 69*time.Second || got > 74*time.Second {
		t.Errorf("ejected after %v, want 60 s and %v", got, delay)
	}
}

// TestEmptiedEvidence: an empty window is not a recovery. A failed rule stays failed until KeepFor
// is over.
func TestEmptiedEvidence(t *testing.T) {
	ejecting := newTrafficRule(true, .5, time.Minute)
	ejecting.seconds(40, 20, 0)
	ejecting.until(verdict.Fail, 0, 20)
	if got := ejecting.stays(verdict.Fail, 0, 0); got != time.Minute {
		t.Errorf("ejected for %v, want KeepFor", got)
	}
	warning := newTrafficRule(false, .5, time.Minute)
	warning.second(0, 20)
	// It is in the window for 30 s, and then KeepFor begins.
	if got := warning.stays(verdict.Fail, 0, 0); got < 89*time.Second || got > 92*time.Second {
		t.Errorf("a rule that only warns: failed for %v, want 30 s and KeepFor", got)
	}
}
