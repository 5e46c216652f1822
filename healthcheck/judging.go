package healthcheck

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/spec"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
)

// subject is one thing that is judged: an active check, a rule or a heartbeat.
type subject struct {
	name          string
	role          Role
	limit         *spec.Limit // of a rule; nil of others
	awaited       bool        // it has evidence only after its first run, so that its first state is no change
	componentType string
	assess        func(memory.Moment) finding
}

// judgement is the outcome of one judgement, immutable.
type judgement struct {
	time      time.Time
	lifecycle Lifecycle
	checks    []judged
	rulings   [len(verdict.Probes)]ruling
	ages      [len(verdict.Probes)]durations
	started   bool // startup has passed
	final     bool // the last one: it never grows stale
	restart   bool // liveness fails too when it is stale
	until     time.Time
}

// judged is one subject's part.
type judged struct {
	Result
	finding finding
	subject *subject
	known   bool // there was evidence once
	moved   bool // the state has changed since: the first evidence is no transition
}

// inputs are what one judgement looks at, besides the subjects.
type inputs struct {
	now        time.Time
	life       lifecycle.Phase
	collecting time.Duration                    // how long the collection in progress has taken
	override   func(check string) effect.Effect // empty if none
	restart    bool
}

// change is a check, or a probe, that came into another state.
type change struct {
	check *judged // nil of a probe
	probe Probe
	was   State // empty of the first
}

// judging makes one judgement after another. Only one goroutine at a time may call it.
type judging struct {
	subjects []*subject
	awake    time.Time // since when judgements have come without a gap
}

const (
	maxOutput    = 200              // bytes of a reason
	collectLimit = 10 * time.Second // of one Collect, before rules prove nothing
)

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

// next makes the judgement that follows prev, which is nil at first, and says what has
// changed. Checks are not run here and metrics are not collected here, so nothing can make
// it wait.
func (j *judging) next(prev *judgement, in inputs) (v *judgement, changes []change) {
	now := in.now
	if prev == nil || now.Sub(prev.time) > memory.Suspension {
		j.awake = now
	}
	at := memory.Moment{Now: now, Awake: j.awake}
	v = &judgement{
		time: now, lifecycle: in.life.Current, until: in.life.Until,
		checks:  make([]judged, len(j.subjects)),
		started: prev != nil && prev.started || len(in.life.Holds) == 0,
		restart: in.restart,
	}
	for n, c := range j.subjects {
		f := c.assess(at)
		r := &v.checks[n]
		*r = judged{
			Result: Result{
				Name: c.name, Role: c.role, State: f.state, Since: now, Output: text.Shorten(f.output, maxOutput),
				HasValue: f.hasValue, Value: f.value, Unit: f.unit, Override: string(in.override(c.name)),
			},
			finding: f, subject: c, known: f.state != Unknown,
		}
		if f.outcome != nil {
			r.Err, r.Span = f.outcome.Err, f.outcome.Span
		}
		if prev != nil {
			old := &prev.checks[n]
			r.moved, r.known = old.moved, old.known || r.State != Unknown
			if old.State == r.State {
				r.Since = old.Since
			} else {
				r.moved = old.known
				changes = append(changes, change{check: r, was: old.State})
			}
		} else if !c.awaited && r.State != Pass {
			changes = append(changes, change{check: r}) // this one is wrong from the start
		}
	}
	v.rulings = v.rule(in.life, in.collecting)
	for p := range v.rulings {
		r := &v.rulings[p]
		r.since, r.output = now, text.Shorten(r.output, maxOutput)
		if prev == nil {
			continue
		}
		v.ages[p] = prev.spent(Probe(p), now)
		if was := prev.rulings[p]; was.state == r.state {
			r.since = was.since
		} else {
			changes = append(changes, change{probe: Probe(p), was: was.state})
		}
	}
	return v, changes
}

// unjudged is what is served before the first verdict: alive, not started.
func unjudgedNow() *judgement {
	v := &judgement{lifecycle: Starting}
	v.rulings = v.rule(lifecycle.Phase{Current: Starting}, 0)
	return v
}

// staleAfter is the age from which a verdict proves nothing: a judge that
// stopped must not leave readiness green.
const staleAfter = 15 * time.Second

// stale reports whether the verdict is too old to be served.
func (v *judgement) stale(now time.Time) bool { return !v.final && now.Sub(v.time) > staleAfter }

// stand is what a probe answers once the verdict is stale: nobody knows whether
// the process works, but a restart is not risked on that unless it was asked for.
func (v *judgement) stand(p Probe) ruling {
	switch {
	case p == Startup:
		return v.rulings[p]
	case p == Liveness && !v.restart:
		return ruling{state: Pass}
	}
	return ruling{state: Fail, output: "no judgement for more than " + staleAfter.String()}
}

// effective is the state of a probe as it is served at a time.
func (v *judgement) effective(p Probe, now time.Time) State {
	if v.stale(now) {
		return v.stand(p).state
	}
	return v.rulings[p].state
}

// spent is how long the probe has been in each state up to now. The time after
// which the verdict grew stale counts for the state that was served then.
func (v *judgement) spent(p Probe, now time.Time) durations {
	d := v.ages[p]
	fresh := now.Sub(v.time)
	if v.stale(now) {
		d[verdict.Index(v.stand(p).state)] += (fresh - staleAfter).Seconds()
		fresh = staleAfter
	}
	d[verdict.Index(v.rulings[p].state)] += fresh.Seconds()
	return d
}
