package healthcheck

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
	"go.opentelemetry.io/otel/attribute"
)

// A Verdict is the outcome of one judgement. It is immutable and may be kept.
type Verdict struct {
	Time      time.Time
	Lifecycle Lifecycle
	Checks    []Result // in the order of Monitor.Checks, then the heartbeats

	service service
	rulings [len(verdict.Probes)]ruling
	answers [len(verdict.Probes)]answers
	ages    [len(verdict.Probes)]durations
	started bool // startup has passed
	final   bool // the last one: it never grows stale
	restart bool // liveness fails too when it is stale
	until   time.Time
}

// Status is what a probe was judged to be. It does not know of staleness:
// handlers and metrics do.
func (v *Verdict) Status(p Probe) State { return v.rulings[p].state }

// Output is the reason why a probe does not pass; empty where it does.
func (v *Verdict) Output(p Probe) string { return v.rulings[p].output }

// Since is when the probe entered its state.
func (v *Verdict) Since(p Probe) time.Time { return v.rulings[p].since }

// Result is what one check was judged to be.
type Result struct {
	Name   string
	Role   Role
	State  State
	Since  time.Time // when State was entered
	Output string    // why; without the text of errors

	HasValue bool
	Value    float64 // of the indicator, in Unit; the duration of an active check's last run
	Unit     string

	Err  error             // of an active check's last run; its text may hold secrets
	Span trace.SpanContext // of that run; not valid without a TracerProvider

	// Override is the effect that an operator has put in place of the role's:
	// "fail", "warn", "off"; empty if none.
	Override string

	finding finding
	check   *compiled
	known   bool // there was evidence once
	moved   bool // the state has changed since: the first evidence is no transition
}

// effect is what the check's failing does to readiness now.
func (r *Result) effect() effect.Effect {
	if r.Override != "" {
		return effect.Effect(r.Override)
	}
	return r.Role.Effect()
}

// finding is what a check says of itself at one moment.
type finding struct {
	state    State
	output   string
	hasValue bool
	value    float64
	unit     string
	share    float64
	quantile float64
	window   time.Duration
	group    attribute.Set
	outcome  *run.Outcome
}

// staleAfter is the age from which a verdict proves nothing: a judge that
// stopped must not leave readiness green.
const staleAfter = 15 * time.Second

// Stale reports whether the verdict is older than 15 s and so proves nothing; the
// last one, after [Monitor.Stop], never is.
func (v *Verdict) Stale() bool { return v.stale(time.Now()) }

// stale reports whether the verdict is too old to be served.
func (v *Verdict) stale(now time.Time) bool { return !v.final && now.Sub(v.Time) > staleAfter }

// stand is what a probe answers once the verdict is stale: nobody knows whether
// the process works, but a restart is not risked on that unless it was asked for.
func (v *Verdict) stand(p Probe) ruling {
	switch {
	case p == Startup:
		return v.rulings[p]
	case p == Liveness && !v.restart:
		return ruling{state: Pass}
	}
	return ruling{state: Fail, output: "no judgement for more than " + staleAfter.String()}
}

// effective is the state of a probe as it is served at a time.
func (v *Verdict) effective(p Probe, now time.Time) State {
	if v.stale(now) {
		return v.stand(p).state
	}
	return v.rulings[p].state
}

// spent is how long the probe has been in each state up to now. The time after
// which the verdict grew stale counts for the state that was served then.
func (v *Verdict) spent(p Probe, now time.Time) durations {
	d := v.ages[p]
	fresh := now.Sub(v.Time)
	if v.stale(now) {
		d[verdict.Index(v.stand(p).state)] += (fresh - staleAfter).Seconds()
		fresh = staleAfter
	}
	d[verdict.Index(v.rulings[p].state)] += fresh.Seconds()
	return d
}
