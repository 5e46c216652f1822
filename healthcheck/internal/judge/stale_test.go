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
