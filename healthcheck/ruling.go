package healthcheck

import (
	"cmp"
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// ruling is what one probe was judged to be.
type ruling struct {
	state  State
	output string
	since  time.Time
	cause  *judged // the check that is to blame; nil if none is
}

// durations are the seconds that a probe has spent in each state, in the order
// of probeStates.
type durations [len(verdict.ProbeStates)]float64

// rule derives the probes from the checks and the lifecycle: the table of
// docs/response-format.md, row by row.
func (v *judgement) rule(life lifecycle.Phase, collecting time.Duration) (r [len(verdict.Probes)]ruling) {
	aside := v.lifecycle == Maintenance || v.lifecycle == Draining // on purpose: nothing to restart for
	r[Startup] = ruling{state: Pass}
	if !v.started && !aside {
		r[Startup] = ruling{state: Fail, output: life.Reason()}
	}
	r[Liveness] = ruling{state: Pass}
	if v.started && !aside {
		vital := func(c *judged) bool { return c.Role == Vital && c.State == Fail && c.Effect() == effect.Fail }
		if bad, found := v.blame(Fail, vital); found {
			r[Liveness] = bad
		}
	}
	r[Readiness] = v.readiness(life, collecting)
	return r
}

func (v *judgement) readiness(life lifecycle.Phase, collecting time.Duration) ruling {
	if v.lifecycle != Running {
		return ruling{state: Fail, output: life.Reason()}
	}
	if collecting > collectLimit {
		return ruling{state: Fail, output: fmt.Sprintf("collecting metrics has taken %v so far", collecting.Truncate(time.Second))}
	}
	failing := func(c *judged) bool { return c.Effect() == effect.Fail && !c.State.Good() }
	if r, found := v.blame(Fail, failing); found {
		return r
	}
	warning := func(c *judged) bool { return c.Effect() != effect.Off && c.State != Pass }
	if r, found := v.blame(Warn, warning); found {
		return r
	}
	return ruling{state: Pass}
}

// blame finds the first check that is so, failing ones before others, and says
// why and how many more there are.
func (v *judgement) blame(to State, is func(*judged) bool) (r ruling, found bool) {
	var worst *judged
	n := 0
	for i := range v.checks {
		c := &v.checks[i]
		if !is(c) {
			continue
		}
		n++
		if worst == nil || verdict.Severity(c.State) > verdict.Severity(worst.State) {
			worst = c
		}
	}
	if worst == nil {
		return ruling{}, false
	}
	r = ruling{state: to, cause: worst, output: worst.Name + ": " + cmp.Or(worst.Output, string(worst.State))}
	if n > 1 {
		r.output += fmt.Sprintf(" (and %d more)", n-1)
	}
	return r, true
}
