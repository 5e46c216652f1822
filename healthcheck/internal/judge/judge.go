// Package judge makes one judgement after another.
//
// In: subjects, whose readings, outcomes and beats are read without a lock, the phase of the
// lifecycle and the overrides, as [Inputs], with the time. Out: an immutable [Verdict] and the
// [Change]s since the one before, as data. One goroutine at a time may call [Judge.Next], which
// waits for nothing. It runs no check, collects nothing, writes nothing and has no clock, so
// that history can be judged as well as the present.
package judge

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/trace"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/run"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// subject is one thing that is judged: an active check, a rule or a heartbeat.
type Subject struct {
	Name              string
	Role              effect.Role
	Limit             *query.Limit // of a rule; nil of others
	Awaited           bool         // it has evidence only after its first run, so that its first state is no change
	ComponentType     string
	Interval, Timeout time.Duration // of an active check; zero of others
	Assess            func(memory.Moment) Finding
}

// judgement is the outcome of one judgement, immutable.
type Verdict struct {
	Time      time.Time
	Lifecycle verdict.Lifecycle
	Checks    []Result
	Rulings   [len(states.Probes)]Ruling
	Ages      [len(states.Probes)]durations
	started   bool // startup has passed
	Final     bool // the last one: it never grows stale
	restart   bool // liveness fails too when it is stale
	Until     time.Time
}

// judged is one subject's part.
type Result struct {
	verdict.Result
	Finding Finding
	Subject *Subject
	known   bool // there was evidence once
	Moved   bool // the state has changed since: the first evidence is no transition
}

// inputs are what one judgement looks at, besides the subjects.
type Inputs struct {
	Now        time.Time
	Life       lifecycle.Phase
	Collecting time.Duration                    // how long the collection in progress has taken
	Override   func(check string) effect.Effect // empty if none
	Restart    bool
}

// change is a check, or a probe, that came into another state.
type Change struct {
	Check *Result // nil of a probe
	Probe verdict.Probe
	Was   verdict.State // empty of the first
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

// Trace is a context in the trace of the run that caused the change, if any did.
func (c *Change) Trace(v *Verdict) context.Context {
	ctx, r := context.Background(), c.Check
	if r == nil {
		r = v.Rulings[c.Probe].Cause
	}
	if r != nil && r.Finding.Outcome != nil {
		ctx = trace.ContextWithSpanContext(ctx, r.Finding.Outcome.Span)
	}
	return ctx
}

// judging makes one judgement after another. Only one goroutine at a time may call it.
type Judge struct {
	Subjects []*Subject
	awake    time.Time // since when judgements have come without a gap
}

const (
	maxOutput    = 200              // bytes of a reason
	collectLimit = 10 * time.Second // of one Collect, before rules prove nothing
)

// finding is what a check says of itself at one moment.
type Finding struct {
	State    verdict.State
	Output   string
	HasValue bool
	Value    float64
	unit     string
	Share    float64
	Quantile float64
	Window   time.Duration
	Group    attribute.Set
	Outcome  *run.Outcome
}

// next makes the judgement that follows prev, which is nil at first, and says what has
// changed. Checks are not run here and metrics are not collected here, so nothing can make
// it wait.
func (j *Judge) Next(prev *Verdict, in Inputs) (v *Verdict, changes []Change) {
	now := in.Now
	if prev == nil || now.Sub(prev.Time) > memory.Suspension {
		j.awake = now
	}
	at := memory.Moment{Now: now, Awake: j.awake}
	v = &Verdict{
		Time: now, Lifecycle: in.Life.Current, Until: in.Life.Until,
		Checks:  make([]Result, len(j.Subjects)),
		started: prev != nil && prev.started || len(in.Life.Holds) == 0,
		restart: in.Restart,
	}
	for n, c := range j.Subjects {
		f := c.Assess(at)
		r := &v.Checks[n]
		*r = Result{
			Result: verdict.Result{
				Name: c.Name, Role: c.Role, State: f.State, Since: now, Output: text.Shorten(f.Output, maxOutput),
				HasValue: f.HasValue, Value: f.Value, Unit: f.unit, Override: string(in.Override(c.Name)),
			},
			Finding: f, Subject: c, known: f.State != verdict.Unknown,
		}
		if f.Outcome != nil {
			r.Err, r.Span = f.Outcome.Err, f.Outcome.Span
		}
		if old := prev.of(n, c); old != nil {
			r.Moved, r.known = old.Moved, old.known || r.State != verdict.Unknown
			if old.State == r.State {
				r.Since = old.Since
			} else {
				r.Moved = old.known
				changes = append(changes, Change{Check: r, Was: old.State})
			}
		} else if !c.Awaited && r.State != verdict.Pass {
			changes = append(changes, Change{Check: r}) // this one is wrong from the start
		}
	}
	v.Rulings = v.rule(in.Life, in.Collecting)
	for p := range v.Rulings {
		r := &v.Rulings[p]
		r.Since, r.Output = now, text.Shorten(r.Output, maxOutput)
		if prev == nil {
			continue
		}
		v.Ages[p] = prev.spent(verdict.Probe(p), now)
		if was := prev.Rulings[p]; was.State == r.State {
			r.Since = was.Since
		} else {
			changes = append(changes, Change{Probe: verdict.Probe(p), Was: was.State})
		}
	}
	return v, changes
}

// unjudged is what is served before the first verdict: alive, not started.
func Unjudged() *Verdict {
	v := &Verdict{Lifecycle: verdict.Starting}
	v.Rulings = v.rule(lifecycle.Phase{Current: verdict.Starting}, 0)
	return v
}

// staleAfter is the age from which a verdict proves nothing: a judge that
// stopped must not leave readiness green.
const StaleAfter = 15 * time.Second

// stale reports whether the verdict is too old to be served.
func (v *Verdict) Stale(now time.Time) bool { return !v.Final && now.Sub(v.Time) > StaleAfter }

// stand is what a probe answers once the verdict is stale: nobody knows whether
// the process works, but a restart is not risked on that unless it was asked for.
func (v *Verdict) WhenStale(p verdict.Probe) Ruling {
	switch {
	case p == verdict.Startup:
		return v.Rulings[p]
	case p == verdict.Liveness && !v.restart:
		return Ruling{State: verdict.Pass}
	}
	return Ruling{State: verdict.Fail, Output: "no judgement for more than " + StaleAfter.String()}
}

// effective is the state of a probe as it is served at a time.
func (v *Verdict) Effective(p verdict.Probe, now time.Time) verdict.State {
	if v.Stale(now) {
		return v.WhenStale(p).State
	}
	return v.Rulings[p].State
}

// spent is how long the probe has been in each state up to now. The time after
// which the verdict grew stale counts for the state that was served then.
func (v *Verdict) spent(p verdict.Probe, now time.Time) durations {
	d := v.Ages[p]
	fresh := now.Sub(v.Time)
	if v.Stale(now) {
		d[states.Index(v.WhenStale(p).State)] += (fresh - StaleAfter).Seconds()
		fresh = StaleAfter
	}
	d[states.Index(v.Rulings[p].State)] += fresh.Seconds()
	return d
}
