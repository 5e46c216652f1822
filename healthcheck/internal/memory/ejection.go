package memory

import (
	"cmp"
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// An Ejection keeps evidence that is made by serving requests from causing the outage
// that it reports. An instance is ejected only if it fails at its usual traffic, and a fleet
// is not ejected all at once. An ejected instance stays out for the ejection time, because
// without traffic there is no evidence that it is well again. It then forgets
// what it saw and is on probation. A failure on probation doubles the ejection time.
type Ejection struct {
	base      time.Duration // ejection time of the first
	window    time.Duration // of the indicator
	jitter    float64       // from 0 to 1, by instance: a fleet must neither go nor come back at once
	baseline  baseline
	failed    time.Duration // at its usual traffic, less what it was overloaded
	asked     time.Time     // the last time
	count     int           // ejections in a row
	until     time.Time     // end of the ejection; zero while there is none
	probation time.Time     // end of the probation; zero while there is none
}

const (
	baseEjectionTime = 30 * time.Second // KeepFor, if zero
	maxEjectionTime  = 300 * time.Second
	probationTime    = 60 * time.Second // and the window, in which nothing can be said
	minDelay         = 10 * time.Second // from failing to the ejection
	maxDelay         = 40 * time.Second
	maxGap           = 30 * time.Second // between two questions, that counts as failing
)

// An Observation is what an ejection is decided on.
type Observation struct {
	Failing bool // badly enough to eject
	Ongoing bool // in the last third of the window too
	Well    bool // no limit is crossed
	Traffic evidence.Traffic
	At      time.Time // of the reading
}

// NewEjection makes the memory of one rule. base is 30s if zero. jitter is from 0 to 1, by
// instance.
func NewEjection(base, window time.Duration, jitter float64) *Ejection {
	return &Ejection{base: cmp.Or(base, baseEjectionTime), window: window, jitter: jitter}
}

// Next is the state of a rule, why, and whether the evidence so far must be forgotten now.
func (e *Ejection) Next(o Observation, now time.Time) (s verdict.State, why string, forget bool) {
	if !e.until.IsZero() {
		if left := e.until.Sub(now); left > 0 {
			return verdict.Fail, fmt.Sprintf("ejected for %v more", left.Round(time.Second)), false
		}
		e.until, e.probation = time.Time{}, now.Add(e.window+probationTime)
		return verdict.Warn, "on probation after an ejection", true
	}
	e.baseline.learn(o.Traffic, o.Well, o.At)
	why = e.stays(o, now)
	switch {
	case o.Failing && why == "":
		e.until, e.probation, e.failed = now.Add(e.time()), time.Time{}, 0
		e.count++
		return verdict.Fail, "", false
	case o.Failing:
		return verdict.Warn, why, false
	case e.probation.IsZero():
		return verdict.Pass, "", false
	case now.Before(e.probation):
		return verdict.Warn, "on probation after an ejection", false
	}
	e.probation, e.count = time.Time{}, 0
	return verdict.Pass, "", false
}

// stays is why a failing instance is not ejected, or not yet.
func (e *Ejection) stays(o Observation, now time.Time) string {
	passed := now.Sub(e.asked)
	e.asked = now
	overloaded := e.baseline.exceeded(o.Traffic)
	switch {
	case !o.Failing:
		e.failed = 0
	case overloaded: // bursts take back what they prove nothing about
		e.failed = max(0, e.failed-passed)
	default:
		e.failed += min(passed, maxGap)
	}
	left := e.delay() - e.failed
	switch {
	case !o.Failing:
		return ""
	case !o.Traffic.Known:
		return "not ejected until its traffic is known"
	case overloaded:
		return fmt.Sprintf("not ejected while it has %.1f times its usual traffic", e.baseline.times(o.Traffic))
	case left > 0 && e.probation.IsZero():
		return fmt.Sprintf("ejection in %v", left.Round(time.Second))
	case !o.Ongoing:
		return "not ejected, because it is over"
	}
	return ""
}

// delay is how long an instance fails before it is ejected. Other instances that fail too
// see by their traffic that it went. Those that come back one by one need no delay.
func (e *Ejection) delay() time.Duration {
	return minDelay + time.Duration(e.jitter*float64(maxDelay-minDelay))
}

// time is the next ejection time: doubled each time, 20 % more or less by instance.
func (e *Ejection) time() time.Duration {
	d := e.base
	for range e.count {
		if d *= 2; d >= maxEjectionTime {
			d = max(maxEjectionTime, e.base)
			break
		}
	}
	return time.Duration(float64(d) * (.8 + .4*e.jitter))
}
