package memory

import (
	"cmp"
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// An Ejection decides whether a rule on traffic takes its instance out. Ejecting a whole fleet
// would cause an outage, so an instance is ejected only if it fails at its usual traffic, and
// instances are not ejected all at once. An ejected instance stays out for the ejection time,
// because without traffic there is no evidence of recovery. Then the rule forgets its evidence, and
// the instance is on probation. A failure on probation doubles the ejection time.
type Ejection struct {
	base      time.Duration // first ejection time
	window    time.Duration // of the indicator
	jitter    float64       // from 0 to 1, by instance, so that instances are not ejected or back all at once
	baseline  baseline
	failed    time.Duration // time of failing at usual traffic, less the time of overload
	lastCall  time.Time     // of Next, if not ejected
	count     int           // ejections in a row
	until     time.Time     // end of the ejection; zero while there is none
	probation time.Time     // end of the probation; zero while there is none
}

const (
	baseEjectionTime = 30 * time.Second // if KeepFor is zero
	maxEjectionTime  = 300 * time.Second
	probationTime    = 60 * time.Second // after the window is full
	minDelay         = 10 * time.Second // from failing to the ejection
	maxDelay         = 40 * time.Second
	maxGap           = 30 * time.Second // most time between two calls that counts as failing
)

// An Observation is the input of a decision on an ejection.
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

// Next returns the state of a rule, the reason, and whether the evidence so far must be forgotten
// now.
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

// stays returns why a failing instance is not ejected, or not yet; empty if it is.
func (e *Ejection) stays(o Observation, now time.Time) string {
	passed := now.Sub(e.lastCall)
	e.lastCall = now
	overloaded := e.baseline.exceeded(o.Traffic)
	switch {
	case !o.Failing:
		e.failed = 0
	case overloaded: // overload proves nothing, so it reduces the time
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

// delay is how long an instance fails before it is ejected. It differs by instance. So the first ejection
// raises the traffic of the other failing instances, and they stay. Instances on probation need no delay,
// because they come back one by one.
func (e *Ejection) delay() time.Duration {
	return minDelay + time.Duration(e.jitter*float64(maxDelay-minDelay))
}

// time returns the next ejection time: doubled after every ejection, 20 % more or less by instance.
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
