package judge

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestSinceOfStale: a stale verdict changes the state of some probes 15 s after its time. Since of the others
// is that of the verdict.
func TestSinceOfStale(t *testing.T) {
	began := time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)
	made := began.Add(time.Hour)
	for _, c := range []struct {
		probe states.Probe
		was   verdict.State
		since time.Time
	}{
		{states.Readiness, verdict.Pass, made.Add(StaleAfter)},
		{states.Readiness, verdict.Warn, made.Add(StaleAfter)},
		{states.Readiness, verdict.Fail, began},
		{states.Liveness, verdict.Fail, made.Add(StaleAfter)}, // it passes, because nobody knows
		{states.Liveness, verdict.Pass, began},
		{states.Startup, verdict.Pass, began},
	} {
		v := &Verdict{Time: made}
		v.Probes[c.probe] = ProbeResult{State: c.was, Since: began}
		if got := v.Effective(c.probe, made.Add(StaleAfter)); !got.Since.Equal(began) || got.State != c.was {
			t.Errorf("%v after %v, still fresh: %v since %v", c.probe, c.was, got.State, got.Since)
		}
		if got := v.Effective(c.probe, made.Add(StaleAfter+1)); !got.Since.Equal(c.since) {
			t.Errorf("%v after %v, stale: %v since %v, want %v", c.probe, c.was, got.State, got.Since, c.since)
		}
	}
}

// TestSinceAfterStale: the state that a stale verdict has answered counts for Since of the next verdict.
func TestSinceAfterStale(t *testing.T) {
	began := time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)
	made := began.Add(time.Hour)
	for _, c := range []struct {
		was, now verdict.State
		after    time.Duration
		since    time.Time
	}{
		{verdict.Pass, verdict.Pass, time.Second, began},
		{verdict.Pass, verdict.Pass, time.Minute, made.Add(time.Minute)}, // it was 503 meanwhile
		{verdict.Pass, verdict.Fail, time.Minute, made.Add(StaleAfter)},
		{verdict.Pass, verdict.Fail, time.Second, made.Add(time.Second)},
		{verdict.Fail, verdict.Fail, time.Minute, began},
		{verdict.Fail, verdict.Pass, time.Minute, made.Add(time.Minute)},
	} {
		prev, v := &Verdict{Time: made}, &Verdict{Time: made.Add(c.after)}
		prev.Probes[states.Readiness] = ProbeResult{State: c.was, Since: began}
		v.Probes[states.Readiness] = ProbeResult{State: c.now, Since: v.Time}
		v.follow(prev)
		if got := v.Probes[states.Readiness].Since; !got.Equal(c.since) {
			t.Errorf("%s, after %v %s: since %v, want %v", c.was, c.after, c.now, got, c.since)
		}
	}
}
