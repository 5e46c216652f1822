package judge

import (
	"cmp"
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A ProbeResult is the state of one probe.
type ProbeResult struct {
	State  verdict.State
	Reason string
	Since  time.Time
	Cause  *Result // the worst check; nil if there is none
}

// probes derives the probes from the checks and the lifecycle, as in the table of
// docs/response-format.md.
func (v *Verdict) probes(life lifecycle.Phase, collecting time.Duration) (r [len(states.Probes)]ProbeResult) {
	onPurpose := v.Phase == states.Maintenance || v.Phase == states.Draining // a restart would not help
	r[states.Startup] = ProbeResult{State: verdict.Pass}
	if !v.started && !onPurpose {
		r[states.Startup] = ProbeResult{State: verdict.Fail, Reason: life.Reason()}
	}
	r[states.Liveness] = ProbeResult{State: verdict.Pass}
	if v.started && !onPurpose {
		restarts := func(c *Result) bool { return c.OnFail == states.Restart && c.State == verdict.Fail }
		if bad, found := v.worst(verdict.Fail, restarts); found {
			r[states.Liveness] = bad
		}
	}
	r[states.Readiness] = v.readiness(life, collecting)
	return r
}

func (v *Verdict) readiness(life lifecycle.Phase, collecting time.Duration) ProbeResult {
	if v.Phase != states.Running {
		return ProbeResult{State: verdict.Fail, Reason: life.Reason()}
	}
	if collecting > collectLimit {
		return ProbeResult{State: verdict.Fail, Reason: fmt.Sprintf("collecting metrics has taken %v so far", collecting.Truncate(time.Second))}
	}
	if r, found := v.worst(verdict.Fail, func(c *Result) bool { return c.excludes() && !c.stays() }); found {
		return r
	}
	warning := func(c *Result) bool { return c.OnFail != states.ShowOnly && c.State != verdict.Pass }
	if r, found := v.worst(verdict.Warn, warning); found {
		return r
	}
	return ProbeResult{State: verdict.Pass}
}

// excludes reports whether a check takes its instance out, as long as no peer has a vote.
func (c *Result) excludes() bool {
	return !c.Shadow && (c.OnFail == states.NotReady || c.OnFail == states.Restart) && !states.Good(c.State)
}

// stays reports whether the peers keep the instance ready.
func (c *Result) stays() bool { return c.Vote != nil && c.Vote.Stays }

// worse compares two checks. Of two that fail alike, the vital one comes first, because the kubelet
// restarts the process for it.
func worse(a, b *Result) bool {
	if sa, sb := states.Severity(a.State), states.Severity(b.State); sa != sb {
		return sa > sb
	}
	return a.OnFail == states.Restart && b.OnFail != states.Restart
}

// worst returns the worst of the matching checks that are not in shadow, its reason, and how many more
// match.
func (v *Verdict) worst(to verdict.State, is func(*Result) bool) (r ProbeResult, found bool) {
	var worst *Result
	n := 0
	for i := range v.Checks {
		c := &v.Checks[i]
		if c.Shadow || !is(c) {
			continue
		}
		n++
		if worst == nil || worse(c, worst) {
			worst = c
		}
	}
	if worst == nil {
		return ProbeResult{}, false
	}
	r = ProbeResult{State: to, Cause: worst, Reason: worst.Subject.Name + ": " + cmp.Or(worst.Reason, string(worst.State))}
	if n > 1 {
		r.Reason += fmt.Sprintf(" (and %d more)", n-1)
	}
	return r, true
}
