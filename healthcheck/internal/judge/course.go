package judge

import (
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

// A Course has the results of the probes, and how long each probe was in each state.
type Course struct {
	Probes [len(states.Probes)]ProbeResult
	Ages   [len(states.Probes)]durations
}

// durations are the seconds that a probe has spent in each state, in the order of states.ProbeStates.
type durations [len(states.ProbeStates)]float64

func newCourse(probes [len(states.Probes)]ProbeResult, now time.Time) Course {
	c := Course{Probes: probes}
	for _, p := range states.Probes {
		c.Probes[p].Since, c.Probes[p].Reason = now, text.Shorten(probes[p].Reason, maxReason)
	}
	return c
}

// shadows reports whether a check is in shadow.
func (v *Verdict) shadows() bool {
	return slices.ContainsFunc(v.Checks, func(c Result) bool { return c.Shadow })
}

// enforced returns the verdict with the checks in shadow enforced. Peers have no vote on them.
func (v *Verdict) enforced() *Verdict {
	e := *v
	e.Checks = slices.Clone(v.Checks)
	for n := range e.Checks {
		e.Checks[n].Shadow = false
	}
	return &e
}

// course returns the verdict's own Course or that of its shadow. Before the first check in shadow, both are
// the same.
func (v *Verdict) course(shadow bool) *Course {
	if shadow && v.Shadow != nil {
		return v.Shadow
	}
	return &v.Course
}

// follow carries on the times of prev, and returns the changes of probes. A change of the shadow is left out
// if the verdict has changed in the same way.
func (v *Verdict) follow(prev *Verdict) (changes []Change) {
	if prev == nil {
		return nil
	}
	for _, shadow := range [...]bool{false, true} {
		if shadow && v.Shadow == nil {
			break
		}
		now, was := v.course(shadow), prev.course(shadow)
		for _, p := range states.Probes {
			now.Ages[p] = prev.spent(was, p, v.Time)
			old := was.Probes[p].State
			if answered := prev.effective(was, p, v.Time); answered.State == now.Probes[p].State { // or what it has answered since it was stale
				now.Probes[p].Since = answered.Since
			}
			if old == now.Probes[p].State {
				continue
			}
			if !shadow || old != prev.Probes[p].State || now.Probes[p].State != v.Probes[p].State {
				changes = append(changes, Change{Probe: p, Was: old, Shadow: shadow})
			}
		}
	}
	return changes
}

// Would returns what a probe would answer; nil if no check is or was in shadow.
func (v *Verdict) Would(p states.Probe) *ProbeResult {
	if v.Shadow == nil {
		return nil
	}
	return &v.Shadow.Probes[p]
}

// Effective returns the result of a probe at a time.
func (v *Verdict) Effective(p states.Probe, now time.Time) ProbeResult {
	return v.effective(&v.Course, p, now)
}

// EffectiveShadow returns what the result of a probe would be at a time.
func (v *Verdict) EffectiveShadow(p states.Probe, now time.Time) ProbeResult {
	return v.effective(v.course(true), p, now)
}

func (v *Verdict) effective(c *Course, p states.Probe, now time.Time) ProbeResult {
	if !v.Stale(now) {
		return c.Probes[p]
	}
	r, was := v.whenStale(p), c.Probes[p]
	r.Since = was.Since
	if was.State != r.State {
		r.Since = v.Time.Add(StaleAfter)
	}
	return r
}

// spent returns how long the probe has been in every state up to now. After the verdict is stale,
// the time counts for the state that was answered then.
func (v *Verdict) spent(c *Course, p states.Probe, now time.Time) durations {
	d := c.Ages[p]
	fresh := now.Sub(v.Time)
	if v.Stale(now) {
		d[states.Index(v.whenStale(p).State)] += (fresh - StaleAfter).Seconds()
		fresh = StaleAfter
	}
	d[states.Index(c.Probes[p].State)] += fresh.Seconds()
	return d
}
