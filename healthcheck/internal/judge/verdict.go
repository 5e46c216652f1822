package judge

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Verdict is the outcome of one judgement. It is immutable.
type Verdict struct {
	Time    time.Time
	Phase   states.Phase
	Until   time.Time // end of maintenance
	Checks  []Result
	Probes  [len(states.Probes)]ProbeResult
	Ages    [len(states.Probes)]durations
	Final   bool // the last one: it never grows stale
	started bool // startup has passed
}

// A Change is a subject, or a probe, that came into another state.
type Change struct {
	Check *Result // nil of a probe
	Probe states.Probe
	Was   verdict.State // empty of the first
}

// Trace is a context in the trace of the run that caused the change, if any did.
func (c *Change) Trace(v *Verdict) context.Context {
	ctx, r := context.Background(), c.Check
	if r == nil {
		r = v.Probes[c.Probe].Cause
	}
	if r != nil && r.Finding.Outcome != nil {
		ctx = trace.ContextWithSpanContext(ctx, r.Finding.Outcome.Span)
	}
	return ctx
}

// of is what a subject was judged to be; nil if it was not judged. n is where it most
// likely is.
func (v *Verdict) of(n int, s *Subject) *Result {
	if v == nil {
		return nil
	}
	if n < len(v.Checks) && v.Checks[n].Subject == s {
		return &v.Checks[n]
	}
	if i := slices.IndexFunc(v.Checks, func(r Result) bool { return r.Subject == s }); i >= 0 {
		return &v.Checks[i]
	}
	return nil
}

// Unjudged is what is answered before the first judgement: alive, not started.
func Unjudged(life lifecycle.Phase) *Verdict {
	if life.Current == states.Running {
		life.Current = states.Starting
	}
	v := &Verdict{Phase: life.Current, Until: life.Until}
	v.Probes = v.probes(life, 0)
	return v
}

// StaleAfter is the age from which a verdict proves nothing: a judge that
// stopped must not leave readiness green.
const StaleAfter = 15 * time.Second

// Stale reports whether the verdict is too old to be answered. One that was never judged
// does not age.
func (v *Verdict) Stale(now time.Time) bool {
	return !v.Final && !v.Time.IsZero() && now.Sub(v.Time) > StaleAfter
}

// WhenStale is what a probe answers once the verdict is stale. Nobody knows whether
// the process works, and a restart is not risked on that.
func (v *Verdict) WhenStale(p states.Probe) ProbeResult {
	switch p {
	case states.Startup:
		return v.Probes[p]
	case states.Liveness:
		return ProbeResult{State: verdict.Pass}
	}
	return ProbeResult{State: verdict.Fail, Reason: "no judgement for more than " + StaleAfter.String()}
}

// Effective is what a probe answers at a time.
func (v *Verdict) Effective(p states.Probe, now time.Time) ProbeResult {
	if !v.Stale(now) {
		return v.Probes[p]
	}
	r := v.WhenStale(p)
	if r.Since.IsZero() {
		r.Since = v.Time.Add(StaleAfter)
	}
	return r
}

// spent is how long the probe has been in each state up to now. The time after
// which the verdict grew stale counts for the state that was answered then.
func (v *Verdict) spent(p states.Probe, now time.Time) durations {
	d := v.Ages[p]
	fresh := now.Sub(v.Time)
	if v.Stale(now) {
		d[states.Index(v.WhenStale(p).State)] += (fresh - StaleAfter).Seconds()
		fresh = StaleAfter
	}
	d[states.Index(v.Probes[p].State)] += fresh.Seconds()
	return d
}
