package healthcheck

import (
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// trafficRule drives a rule on latency second by second, without a Monitor: an
// hour costs nothing.
type trafficRule struct {
	*rule
	now       time.Time
	good, bad uint64
}

func newTrafficRule(role Role, instance string, keepFor time.Duration) *trafficRule {
	c := Check{Name: "latency", Role: role, KeepFor: keepFor, Limit: Quantile("m", .99, 30*time.Second).AtMost(.5)}
	d := &trafficRule{now: time.Now()}
	d.rule = newRule(c, newSampler(&c.Limit, role == Core, synchronous), nil, d.now, instance)
	d.second(0, 0)
	return d
}

// second lets one pass with requests within the limit and beyond it.
func (d *trafficRule) second(good, bad uint64) State {
	d.now = d.now.Add(time.Second)
	d.good, d.bad = d.good+good, d.bad+bad
	d.sampler.sample(d.now, collection("s", hist(cum, []float64{.5}, []uint64{d.good, d.bad})))
	return d.assess(moment{now: d.now}).state
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
		for range 20 {
			requests.Record(t.Context(), 2)
		}
		wait(1100 * time.Millisecond)
		k.want("/ready", 503, Fail)
		k.want("/health", 200, Pass)
		time.Sleep(23 * time.Second) // 20 % less than the hold
		k.want("/ready", 503, Fail)
		wait(13 * time.Second)
		k.want("/ready", 200, Warn)
		wait(47 * time.Second)
		k.want("/ready", 200, Warn)
		wait(14 * time.Second)
		k.want("/ready", 200, Pass)
		k.state("latency", Pass)
	})

	d := newTrafficRule(Core, "a", 0)
	last, changes := d.second(0, 20), 0
	if last != Fail {
		t.Fatalf("%s with 20 bad events", last)
	}
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
	d := newTrafficRule(Core, "a", 0)
	d.hold.spread = .5 // neither more nor less
	for _, want := range []time.Duration{30, 60, 120, 240, 300, 300} {
		want *= time.Second
		for d.second(0, 20) != Fail {
		}
		if got := d.stays(Fail, 0, 0); got != want {
			t.Errorf("out for %v, want %v", got, want)
		}
	}
	if got := d.stays(Warn, 100, 0); got != trialLength {
		t.Errorf("on trial for %v, want %v", got, trialLength)
	}
	if s := d.second(0, 500); s != Fail { // well over 1 %, of four windows too
		t.Fatalf("%s with 500 bad events", s)
	}
	if got := d.stays(Fail, 0, 0); got != holdLength {
		t.Errorf("out for %v after a good trial, want %v", got, holdLength)
	}
}

// TestForgets: a reading from before the end of the hold is no evidence against
// the trial, even if it was taken in the same instant or while the judge was at
// work.
func TestForgets(t *testing.T) {
	d := newTrafficRule(Core, "a", 0)
	s := d.second(0, 20)
	for until := d.hold.until; d.now.Before(until); {
		s = d.second(0, 20) // late ones: the last reading is as bad as can be
	}
	if s != Warn {
		t.Errorf("%s at the end of the hold, want warn", s)
	}
	if f := d.assess(moment{now: d.now}); f.state != Warn {
		t.Errorf("judged again: %s (%s), want warn", f.state, f.output)
	}
	if s := d.second(100, 0); s != Warn {
		t.Errorf("with good traffic: %s, want warn", s)
	}
}

// TestLongKeepFor: the cap is of the doubling; a second hold is no shorter than
// the one that was asked for.
func TestLongKeepFor(t *testing.T) {
	h := hold{length: 10 * time.Minute, spread: .5}
	for h.times = range 3 {
		if d := h.duration(); d != h.length {
			t.Errorf("hold %d is %v, want %v", h.times+1, d, h.length)
		}
	}
}

// TestHoldSpreads: pods that left together do not come back together.
func TestHoldSpreads(t *testing.T) {
	seen := map[time.Duration]bool{}
	for _, instance := range []string{"a", "b", "c", "d"} {
		d := newTrafficRule(Core, instance, 0)
		d.second(0, 20)
		got := d.stays(Fail, 0, 0)
		if got < 24*time.Second || got > 37*time.Second {
			t.Errorf("%s: out for %v, want 30 s and 20 %% more or less", instance, got)
		}
		seen[got] = true
	}
	if len(seen) < 2 {
		t.Errorf("all were out for the same time: %v", seen)
	}
	a, b := newTrafficRule(Core, "a", time.Minute).hold, newTrafficRule(Core, "b", time.Minute).hold
	if a.duration() == b.duration() || a.length != time.Minute {
		t.Errorf("KeepFor of a minute: %v and %v", a.duration(), b.duration())
	}
}

// TestNineBadEvents are too few to take a pod out, whatever share they are.
func TestNineBadEvents(t *testing.T) {
	d := newTrafficRule(Core, "a", 0)
	if s := d.second(3, 9); s != Warn {
		t.Errorf("9 bad events: %s, want warn", s)
	}
	if s := d.second(0, 1); s != Fail {
		t.Errorf("10 bad events: %s, want fail", s)
	}
	if s := newTrafficRule(Auxiliary, "a", 0).second(3, 9); s != Fail {
		t.Errorf("auxiliary: %s, want fail: it moves no traffic", s)
	}
}

// TestLongWindow: over the limit in the window, but not in four.
func TestLongWindow(t *testing.T) {
	d := newTrafficRule(Core, "a", 0)
	for range 120 {
		d.second(50, 0)
	}
	if s := d.second(0, 30); s != Warn { // 2 % of a window, .5 % of four
		t.Errorf("%s, want warn", s)
	}
	if s := d.second(0, 60); s != Fail {
		t.Errorf("%s with both crossed, want fail", s)
	}
}

// TestEmptiedEvidence is no recovery: what failed stays so until its time is over.
func TestEmptiedEvidence(t *testing.T) {
	core := newTrafficRule(Core, "a", time.Minute)
	core.hold.spread = .5
	core.second(0, 20)
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
	r := newRule(c, newSampler(&c.Limit, false, synchronous), nil, now, "a")
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
			r.sampler.sample(now, collection("{item}", gauge(point(st.value))))
			want := was
			if i == st.seconds-1 {
				want = st.want
			}
			if f := r.assess(moment{now: now}); f.state != want {
				t.Fatalf("step %d, second %d at %v: %s (%s), want %s", n, i+1, st.value, f.state, f.output, want)
			}
		}
		was = st.want
	}
}
