package healthcheck

import (
	"cmp"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// A Verdict is the outcome of one judgement. It is immutable and may be kept.
type Verdict struct {
	Time      time.Time
	Lifecycle Lifecycle
	Checks    []Result // in the order of Monitor.Checks, then the heartbeats

	service service
	rulings [len(probes)]ruling
	answers [len(probes)]answers
	ages    [len(probes)]durations
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

	Err error // of an active check's last run; its text may hold secrets

	// Override is the effect that an operator has put in place of the role's:
	// "fail", "warn", "off"; empty if none.
	Override string

	finding finding
	check   *compiled
	known   bool // there was evidence once
	moved   bool // the state has changed since: the first evidence is no transition
}

// effect is what the check's failing does to readiness now.
func (r *Result) effect() effect {
	if r.Override != "" {
		return effect(r.Override)
	}
	return r.Role.effect()
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
	outcome  *outcome
}

// ruling is what one probe was judged to be.
type ruling struct {
	state  State
	output string
	since  time.Time
	cause  *Result // the check that is to blame; nil if none is
}

// durations are the seconds that a probe has spent in each state, in the order
// of probeStates.
type durations [len(probeStates)]float64

// staleAfter is the age from which a verdict proves nothing: a judge that
// stopped must not leave readiness green.
const staleAfter = 15 * time.Second

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
		d[index(v.stand(p).state)] += (fresh - staleAfter).Seconds()
		fresh = staleAfter
	}
	d[index(v.rulings[p].state)] += fresh.Seconds()
	return d
}

func index(s State) int {
	for n, st := range probeStates {
		if st == s {
			return n
		}
	}
	return len(probeStates) - 1
}

// rule derives the probes from the checks and the lifecycle: the table of
// docs/response-format.md, row by row.
func (v *Verdict) rule(now time.Time, life phase, collecting time.Duration) (r [len(probes)]ruling) {
	r[Startup] = ruling{state: Pass}
	if !v.started {
		r[Startup] = ruling{state: Fail, output: life.reason()}
	}
	r[Liveness] = ruling{state: Pass}
	if v.started && v.Lifecycle != Draining {
		vital := func(c *Result) bool { return c.Role == Vital && c.State == Fail && c.effect() == effectFail }
		if bad, found := v.blame(Fail, vital); found {
			r[Liveness] = bad
		}
	}
	r[Readiness] = v.readiness(life, collecting)
	return r
}

func (v *Verdict) readiness(life phase, collecting time.Duration) ruling {
	if v.Lifecycle != Running {
		return ruling{state: Fail, output: life.reason()}
	}
	if collecting > collectLimit {
		return ruling{state: Fail, output: fmt.Sprintf("collecting metrics has taken %v so far", collecting.Truncate(time.Second))}
	}
	failing := func(c *Result) bool { return c.effect() == effectFail && !c.State.good() }
	if r, found := v.blame(Fail, failing); found {
		return r
	}
	warning := func(c *Result) bool { return c.effect() != effectOff && c.State != Pass }
	if r, found := v.blame(Warn, warning); found {
		return r
	}
	return ruling{state: Pass}
}

// blame finds the first check that is so, failing ones before others, and says
// why and how many more there are.
func (v *Verdict) blame(to State, is func(*Result) bool) (r ruling, found bool) {
	var worst *Result
	n := 0
	for i := range v.Checks {
		c := &v.Checks[i]
		if !is(c) {
			continue
		}
		n++
		if worst == nil || severity(c.State) > severity(worst.State) {
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

func severity(s State) int {
	switch s {
	case Fail:
		return 4
	case Stale:
		return 3
	case Unknown:
		return 2
	case Warn:
		return 1
	}
	return 0
}
