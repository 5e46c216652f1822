package memory

import (
	"cmp"
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// hold keeps evidence that is made by serving requests from causing the outage
// that it reports. An instance goes out only if it fails at the traffic that it
// is used to, and not all at once. One that is out stays out for a time, because
// without traffic there is no evidence that it is well again; it then forgets
// what it saw and is on trial. Failing on trial doubles the time.
type Ejection struct {
	Length time.Duration // of the first hold
	window time.Duration // of the indicator
	Spread float64       // from 0 to 1, by instance: a fleet must neither go nor come back at once
	Burden burden
	failed time.Duration // at its usual traffic, less what it was crowded
	asked  time.Time     // the last time
	Times  int           // holds in a row
	Until  time.Time     // of the hold; zero while there is none
	trial  time.Time     // end of the trial; zero while there is none
}

const (
	HoldLength  = 30 * time.Second // KeepFor of a core check on traffic, if zero
	maxHold     = 300 * time.Second
	TrialLength = 60 * time.Second // and the window, in which nothing can be said
	minNotice   = 10 * time.Second // from failing to going out
	maxNotice   = 40 * time.Second
	maxGap      = 30 * time.Second // between two questions, that counts as failing
)

// observation is what a hold decides on.
type Observation struct {
	Failing bool // gravely: see measure.grave
	Still   bool // in the last third of the window too
	Well    bool // no limit is crossed
	Traffic evidence.Traffic
	At      time.Time // of the reading
}

// newHold makes the memory of one check. length is 30s if zero; spread is from 0 to 1, by
// instance.
func NewEjection(length, window time.Duration, spread float64) *Ejection {
	return &Ejection{Length: cmp.Or(length, HoldLength), window: window, Spread: spread}
}

// next is the state of a check that was seen to fail or not, why, and whether the
// evidence so far must be forgotten now.
func (h *Ejection) Next(e Observation, now time.Time) (s verdict.State, why string, forget bool) {
	if !h.Until.IsZero() {
		if left := h.Until.Sub(now); left > 0 {
			return verdict.Fail, fmt.Sprintf("held out for %v more", left.Round(time.Second)), false
		}
		h.Until, h.trial = time.Time{}, now.Add(h.window+TrialLength)
		return verdict.Warn, "on trial after a hold", true
	}
	h.Burden.learn(e.Traffic, e.Well, e.At)
	why = h.stays(e, now)
	switch {
	case e.Failing && why == "":
		h.Until, h.trial, h.failed = now.Add(h.Duration()), time.Time{}, 0
		h.Times++
		return verdict.Fail, "", false
	case e.Failing:
		return verdict.Warn, why, false
	case h.trial.IsZero():
		return verdict.Pass, "", false
	case now.Before(h.trial):
		return verdict.Warn, "on trial after a hold", false
	}
	h.trial, h.Times = time.Time{}, 0
	return verdict.Pass, "", false
}

// stays is why a failing instance is not taken out, or not yet.
func (h *Ejection) stays(e Observation, now time.Time) string {
	passed := now.Sub(h.asked)
	h.asked = now
	crowded := h.Burden.crowded(e.Traffic)
	switch {
	case !e.Failing:
		h.failed = 0
	case crowded: // bursts take back what they prove nothing about
		h.failed = max(0, h.failed-passed)
	default:
		h.failed += min(passed, maxGap)
	}
	left := h.notice() - h.failed
	switch {
	case !e.Failing:
		return ""
	case !e.Traffic.Known:
		return "stays in until its traffic is known"
	case crowded:
		return fmt.Sprintf("stays in, having %.1f times its usual traffic", h.Burden.times(e.Traffic))
	case left > 0 && h.trial.IsZero():
		return fmt.Sprintf("goes out in %v", left.Round(time.Second))
	case !e.Still:
		return "stays in, since it is over"
	}
	return ""
}

// notice is how long an instance fails before it goes out: others of its fleet,
// failing too, shall see by their traffic that it went. Those that come back one
// by one need none.
func (h *Ejection) notice() time.Duration {
	return minNotice + time.Duration(h.Spread*float64(maxNotice-minNotice))
}

// duration is the length of the next hold: doubled each time, 20 % more or less by
// instance.
func (h *Ejection) Duration() time.Duration {
	d := h.Length
	for range h.Times {
		if d *= 2; d >= maxHold {
			d = max(maxHold, h.Length)
			break
		}
	}
	return time.Duration(float64(d) * (.8 + .4*h.Spread))
}
