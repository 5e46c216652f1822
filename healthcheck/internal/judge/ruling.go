package judge

import (
	"cmp"
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// ruling is what one probe was judged to be.
type Ruling struct {
	State  verdict.State
	Output string
	Since  time.Time
	Cause  *Result // the check that is to blame; nil if none is
}

// durations are the seconds that a probe has spent in each state, in the order
// of probeStates.
type durations [len(states.ProbeStates)]float64

// rule derives the probes from the checks and the lifecycle: the table of
// docs/response-format.md, row by row.
func (v *Verdict) rule(life lifecycle.Phase, collecting time.Duration) (r [len(states.Probes)]Ruling) {
	aside := v.Lifecycle == verdict.Maintenance || v.Lifecycle == verdict.Draining // on purpose: nothing to restart for
	r[verdict.Startup] = Ruling{State: verdict.Pass}
	if !v.started && !aside {
		r[verdict.Startup] = Ruling{State: verdict.Fail, Output: life.Reason()}
	}
	r[verdict.Liveness] = Ruling{State: verdict.Pass}
	if v.started && !aside {
		vital := func(c *Result) bool {
			return c.Role == effect.Vital && c.State == verdict.Fail && states.EffectOf(&c.Result) == effect.Fail
		}
		if bad, found := v.blame(verdict.Fail, vital); found {
			r[verdict.Liveness] = bad
		}
	}
	r[verdict.Readiness] = v.readiness(life, collecting)
	return r
}

func (v *Verdict) readiness(life lifecycle.Phase, collecting time.Duration) Ruling {
	if v.Lifecycle != verdict.Running {
		return Ruling{State: verdict.Fail, Output: life.Reason()}
	}
	if collecting > collectLimit {
		return Ruling{State: verdict.Fail, Output: fmt.Sprintf("collecting metrics has taken %v so far", collecting.Truncate(time.Second))}
	}
	failing := func(c *Result) bool { return states.EffectOf(&c.Result) == effect.Fail && !states.Good(c.State) }
	if r, found := v.blame(verdict.Fail, failing); found {
		return r
	}
	warning := func(c *Result) bool { return states.EffectOf(&c.Result) != effect.Off && c.State != verdict.Pass }
	if r, found := v.blame(verdict.Warn, warning); found {
		return r
	}
	return Ruling{State: verdict.Pass}
}

// blame finds the first check that is so, failing ones before others, and says
// why and how many more there are.
func (v *Verdict) blame(to verdict.State, is func(*Result) bool) (r Ruling, found bool) {
	var worst *Result
	n := 0
	for i := range v.Checks {
		c := &v.Checks[i]
		if !is(c) {
			continue
		}
		n++
		if worst == nil || states.Severity(c.State) > states.Severity(worst.State) {
			worst = c
		}
	}
	if worst == nil {
		return Ruling{}, false
	}
	r = Ruling{State: to, Cause: worst, Output: worst.Name + ": " + cmp.Or(worst.Output, string(worst.State))}
	if n > 1 {
		r.Output += fmt.Sprintf(" (and %d more)", n-1)
	}
	return r, true
}
