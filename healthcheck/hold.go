package healthcheck

import (
	"cmp"
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
)

// hold keeps evidence that is made by serving requests from causing the outage
// that it reports. An instance goes out only if it fails at the traffic that it
// is used to, and not all at once. One that is out stays out for a time, because
// without traffic there is no evidence that it is well again; it then forgets
// what it saw and is on trial. Failing on trial doubles the time.
type hold struct {
	length time.Duration // of the first hold
	window time.Duration // of the indicator
	spread float64       // from 0 to 1, by instance: a fleet must neither go nor come back at once
	burden burden
	failed time.Duration // at its usual traffic, less what it was crowded
	asked  time.Time     // the last time
	times  int           // holds in a row
	until  time.Time     // of the hold; zero while there is none
	trial  time.Time     // end of the trial; zero while there is none
}

const (
	holdLength  = 30 * time.Second // KeepFor of a core check on traffic, if zero
	maxHold     = 300 * time.Second
	trialLength = 60 * time.Second // and the window, in which nothing can be said
	minNotice   = 10 * time.Second // from failing to going out
	maxNotice   = 40 * time.Second
	maxGap      = 30 * time.Second // between two questions, that counts as failing
)

// observation is what a hold decides on.
type observation struct {
	failing bool // gravely: see measure.grave
	still   bool // in the last third of the window too
	well    bool // no limit is crossed
	traffic evidence.Traffic
	at      time.Time // of the reading
}

// newHold makes the memory of one check. length is 30s if zero; spread is from 0 to 1, by
// instance.
func newHold(length, window time.Duration, spread float64) *hold {
	return &hold{length: cmp.Or(length, holdLength), window: window, spread: spread}
}

// next is the state of a check that was seen to fail or not, why, and whether the
// evidence so far must be forgotten now.
func (h *hold) next(e observation, now time.Time) (s State, why string, forget bool) {
	if !h.until.IsZero() {
		if left := h.until.Sub(now); left > 0 {
			return Fail, fmt.Sprintf("held out for %v more", left.Round(time.Second)), false
		}
		h.until, h.trial = time.Time{}, now.Add(h.window+trialLength)
		return Warn, "on trial after a hold", true
	}
	h.burden.learn(e.traffic, e.well, e.at)
	why = h.stays(e, now)
	switch {
	case e.failing && why == "":
		h.until, h.trial, h.failed = now.Add(h.duration()), time.Time{}, 0
		h.times++
		return Fail, "", false
	case e.failing:
		return Warn, why, false
	case h.trial.IsZero():
		return Pass, "", false
	case now.Before(h.trial):
		return Warn, "on trial after a hold", false
	}
	h.trial, h.times = time.Time{}, 0
	return Pass, "", false
}

// stays is why a failing instance is not taken out, or not yet.
func (h *hold) stays(e observation, now time.Time) string {
	passed := now.Sub(h.asked)
	h.asked = now
	crowded := h.burden.crowded(e.traffic)
	switch {
	case !e.failing:
		h.failed = 0
	case crowded: // bursts take back what they prove nothing about
		h.failed = max(0, h.failed-passed)
	default:
		h.failed += min(passed, maxGap)
	}
	left := h.notice() - h.failed
	switch {
	case !e.failing:
		return ""
	case !e.traffic.Known:
		return "stays in until its traffic is known"
	case crowded:
		return fmt.Sprintf("stays in, having %.1f times its usual traffic", h.burden.times(e.traffic))
	case left > 0 && h.trial.IsZero():
		return fmt.Sprintf("goes out in %v", left.Round(time.Second))
	case !e.still:
		return "stays in, since it is over"
	}
	return ""
}

// notice is how long an instance fails before it goes out: others of its fleet,
// failing too, shall see by their traffic that it went. Those that come back one
// by one need none.
func (h *hold) notice() time.Duration {
	return minNotice + time.Duration(h.spread*float64(maxNotice-minNotice))
}

// duration is the length of the next hold: doubled each time, 20 % more or less by
// instance.
func (h *hold) duration() time.Duration {
	d := h.length
	for range h.times {
		if d *= 2; d >= maxHold {
			d = max(maxHold, h.length)
			break
		}
	}
	return time.Duration(float64(d) * (.8 + .4*h.spread))
}
