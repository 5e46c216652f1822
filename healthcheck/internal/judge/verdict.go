package judge

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Verdict is the outcome of one judgement. It is immutable.
type Verdict struct {
	Time   time.Time
	Phase  states.Phase
	Until  time.Time // end of maintenance
	Checks []Result
	Course
	Shadow  *Course // the Course if the checks in shadow were enforced; nil if none ever was in shadow
	Final   bool    // the last one: it never grows stale
	started bool    // startup has passed

	Own      verdict.State // readiness by the instance's own evidence, before any vote: Pass, Fail or Unknown; empty without peers
	Admitted bool          // readiness has passed once
	Voting   bool          // peers vote on failing checks
	Stayed   float64       // seconds until now in which only the votes of peers have kept the instance ready
}

// A Change is a new state of a subject or a probe, a new decision of the peers on a subject, or a mistake
// that the evidence has shown.
type Change struct {
	Check  *Result // nil for a probe
	Probe  states.Probe
	Was    verdict.State  // empty for the first state
	Voted  bool           // the change is a decision of the peers
	Told   *query.Mistake // the mistake, if the change is one
	Shadow bool           // the change is in the shadow of a probe
}

// Trace returns a context in the trace of the run that caused the change, if a run did.
func (c *Change) Trace(v *Verdict) context.Context {
	ctx, r := context.Background(), c.Check
	if r == nil {
		r = c.Of(v).Cause
	}
	if r != nil && r.Finding.Outcome != nil {
		ctx = trace.ContextWithSpanContext(ctx, r.Finding.Outcome.Span)
	}
	return ctx
}

// Of returns the probe's result after its change.
func (c *Change) Of(v *Verdict) *ProbeResult {
	if c.Shadow {
		return &v.Shadow.Probes[c.Probe]
	}
	return &v.Probes[c.Probe]
}

// of returns the result of a subject; nil if it was not judged. n is its most likely index.
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

// Unjudged returns the verdict before the first judgement: alive, not started.
func Unjudged(life lifecycle.Phase) *Verdict {
	if life.Current == states.Running {
		life.Current = states.Starting
	}
	v := &Verdict{Phase: life.Current, Until: life.Until}
	v.Probes = v.probes(life, 0)
	return v
}

// StaleAfter is the age at which a verdict is stale. Without it, readiness could pass for ever after the
// judge has stopped.
const StaleAfter = 15 * time.Second

// Stale reports whether the verdict is too old. An unjudged one does not age.
func (v *Verdict) Stale(now time.Time) bool {
	return !v.Final && !v.Time.IsZero() && now.Sub(v.Time) > StaleAfter
}

// whenStale returns the result of a probe after the verdict is stale. Liveness passes then, because
// nobody knows whether the process works.
func (v *Verdict) whenStale(p states.Probe) ProbeResult {
	switch p {
	case states.Startup:
		return v.Probes[p]
	case states.Liveness:
		return ProbeResult{State: verdict.Pass}
	}
	return ProbeResult{State: verdict.Fail, Reason: "no judgement for more than " + StaleAfter.String()}
}

// stays reports whether only the votes of peers keep the instance ready at a time.
func (v *Verdict) stays(now time.Time) bool {
	if v.Effective(states.Readiness, now).State == verdict.Fail {
		return false
	}
	for n := range v.Checks {
		if v.Checks[n].stays() {
			return true
		}
	}
	return false
}

// stayed returns for how long only the votes of peers have kept the instance ready until now.
func (v *Verdict) stayed(now time.Time) float64 {
	if !v.stays(v.Time) {
		return v.Stayed
	}
	return v.Stayed + min(now.Sub(v.Time), StaleAfter).Seconds()
}
