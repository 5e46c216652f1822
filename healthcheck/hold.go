package healthcheck

import (
	"fmt"
	"time"
)

// hold keeps evidence that is made by serving requests from causing the outage
// that it reports. An instance that it takes out stays out for a time, because
// without traffic there is no evidence that it is well again; it then forgets
// what it saw and is on trial. Failing on trial doubles the time.
type hold struct {
	length time.Duration // of the first hold
	spread float64       // from 0 to 1, by instance: a fleet must not come back at once
	times  int           // holds in a row
	until  time.Time     // of the hold; zero while there is none
	trial  time.Time     // end of the trial; zero while there is none
}

const (
	holdLength  = 30 * time.Second // KeepFor of a core check on traffic, if zero
	maxHold     = 300 * time.Second
	trialLength = 60 * time.Second
	minBad      = 10 // events beyond the limit, before an instance may be taken out
)

// next is the state of a check that was seen to fail or not, why, and whether the
// evidence so far must be forgotten now.
func (h *hold) next(failing bool, now time.Time) (s State, why string, forget bool) {
	if !h.until.IsZero() {
		if left := h.until.Sub(now); left > 0 {
			return Fail, fmt.Sprintf("held out for %v more", left.Round(time.Second)), false
		}
		h.until, h.trial = time.Time{}, now.Add(trialLength)
		return Warn, "on trial after a hold", true
	}
	switch {
	case failing:
		h.until, h.trial = now.Add(h.duration()), time.Time{}
		h.times++
		return Fail, "", false
	case h.trial.IsZero():
		return Pass, "", false
	case now.Before(h.trial):
		return Warn, "on trial after a hold", false
	}
	h.trial, h.times = time.Time{}, 0
	return Pass, "", false
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
