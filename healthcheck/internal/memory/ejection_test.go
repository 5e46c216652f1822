package memory

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
)

// TestLongKeepFor: the cap applies only to the doubling. A second ejection is never shorter than
// KeepFor.
func TestLongKeepFor(t *testing.T) {
	e := NewEjection(10*time.Minute, 30*time.Second, .5)
	for e.count = range 3 {
		if d := e.time(); d != 10*time.Minute {
			t.Errorf("ejection %d is %v, want 10m", e.count+1, d)
		}
	}
}

// TestJitter: 20 % more or less, and a delay of 10 s to 40 s.
func TestJitter(t *testing.T) {
	for _, c := range []struct {
		jitter      float64
		delay, time time.Duration
	}{
		{0, 10 * time.Second, 48 * time.Second},
		{.5, 25 * time.Second, 60 * time.Second},
		{1, 40 * time.Second, 72 * time.Second},
	} {
		e := NewEjection(time.Minute, 30*time.Second, c.jitter)
		if e.delay() != c.delay || e.time().Round(time.Millisecond) != c.time {
			t.Errorf("%v: after %v for %v; want after %v for %v", c.jitter, e.delay(), e.time(), c.delay, c.time)
		}
	}
	if d := NewEjection(0, 30*time.Second, .5).time(); d != 30*time.Second {
		t.Errorf("without KeepFor %v, want 30s", d)
	}
}

// TestUsualTraffic: the baseline follows the day, but not the work of peers that left.
func TestUsualTraffic(t *testing.T) {
	var b baseline
	now := time.Unix(1e9, 0)
	seconds := func(n int, rate float64, well bool) {
		for range n {
			now = now.Add(time.Second)
			b.learn(evidence.Traffic{Rate: rate, Known: true}, well, now)
		}
	}
	usual := func(what string, low, high float64) {
		t.Helper()
		if b.rate < low || b.rate > high {
			t.Errorf("%s: %v a second are usual, want %v to %v", what, b.rate, low, high)
		}
	}
	b.learn(evidence.Traffic{Rate: 7}, true, now)
	usual("not known yet", 0, 0)
	seconds(1, 20, true)
	usual("the first", 20, 20)
	seconds(120, 40, true)
	usual("doubled for two minutes", 23, 24)
	seconds(3600, 40, true)
	usual("doubled for an hour", 39, 40)
	seconds(1800, 0, true)
	usual("nothing to do for half an hour", 39, 40)
	seconds(600, 10, true)
	usual("a quarter for ten minutes", 10, 11)
	seconds(600, 40, false)
	usual("overloaded for ten minutes", 14, 16)
}

// TestExceeded: small variations are not an overload, and without a baseline nothing is.
func TestExceeded(t *testing.T) {
	ten := func(recent float64) evidence.Traffic {
		return evidence.Traffic{Recent: recent, Span: 10 * time.Second, Known: true}
	}
	b := baseline{rate: 20}
	if b.exceeded(ten(220)) || !b.exceeded(ten(221)) {
		t.Errorf("220 in 10 s: %v, 221: %v; want no and yes at 20 a second", b.exceeded(ten(220)), b.exceeded(ten(221)))
	}
	if (&baseline{}).exceeded(ten(1e6)) {
		t.Error("exceeded, and nothing is known of it")
	}
}
