// Package judge makes one judgement after another.
//
// In: subjects, whose readings, outcomes and beats are read without a lock, and [Inputs]: the time,
// the phase of the lifecycle, the overrides and the answers of peers. Out: an immutable [Verdict], and its [Change]s as
// data. One goroutine at a time may call [Judge.Next], which never waits. It runs no check,
// collects nothing, writes nothing and has no clock, so that it can also judge recorded history.
package judge

import (
	"cmp"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Subject is one thing that is judged: a check, a rule or a heartbeat.
type Subject struct {
	Name              string
	OnFail            verdict.Effect // as configured
	Rule              *query.Rule    // nil for others
	Awaited           bool           // it has no evidence before its first run, so its first state is not a change
	Late              bool           // added to a running process, so it is not judged before there is evidence
	Interval, Timeout time.Duration  // of a check; zero for others
	Alone             bool           // peers have no vote on it
	Shadow            bool           // as configured: it is in shadow
	Evaluate          func(memory.Instant) Finding
	Hurry             func()        // brings the next run of a check forward; nil for others
	Notice            time.Duration // longest time from the beginning of an outage until it fails
}

// A Finding is the state of a subject at one instant, by its own evidence.
type Finding struct {
	State    verdict.State
	Reason   string
	None     bool // there is no evidence yet
	HasValue bool
	Value    float64
	Unit     string
	Rule     *query.Rule // with its bounds in Unit
	Share    float64
	Group    attribute.Set
	Outcome  *run.Outcome
	Starts   run.Starts     // when the evidence began
	Mistake  *query.Mistake // why a rule can't be judged exactly; nil if it can
}

// A Result is one subject's part of a judgement.
type Result struct {
	Subject  *Subject
	Finding  Finding
	State    verdict.State
	Since    time.Time
	Reason   string
	OnFail   verdict.Effect  // in force, unless it is in shadow
	Override verdict.Effect  // of an operator; empty if none
	Shadow   bool            // it counts only for the shadow verdict
	Moved    bool            // the state has changed since the first evidence
	known    bool            // there was evidence before
	told     bool            // the mistake was a Change already
	Vote     *votes.Decision // of the peers, while it fails; nil if they have no vote
}

// Inputs are the inputs of one judgement, besides the subjects.
type Inputs struct {
	Now        time.Time
	Life       lifecycle.Phase
	Collecting time.Duration                     // how long the collection in progress has taken
	Override   func(check string) verdict.Effect // empty if none
	Voting     bool                              // peers vote on failing checks
	Peers      []votes.Peer                      // the last answers of the other instances
}

// A Judge makes one judgement after another. Only one goroutine at a time may use it.
type Judge struct {
	Subjects []*Subject

	// Suspension is the gap between judgements from which on the process counts as suspended. If zero, it is
	// memory.Suspension.
	Suspension time.Duration

	resumed time.Time               // start of the judgements without a gap
	rows    map[*Subject]*votes.Row // of failing checks
}

const (
	maxReason    = 200              // bytes
	collectLimit = 10 * time.Second // of one collection; if it takes longer, readiness fails
)

// Next makes the judgement after prev and returns the changes. prev is nil at first. It runs no
// check and collects nothing, so it never waits.
func (j *Judge) Next(prev *Verdict, in Inputs) (v *Verdict, changes []Change) {
	now := in.Now
	if prev == nil || now.Sub(prev.Time) > cmp.Or(j.Suspension, memory.Suspension) {
		j.resumed = now
	}
	at := memory.Instant{Now: now, Resumed: j.resumed}
	v = &Verdict{
		Time: now, Phase: in.Life.Current, Until: in.Life.Until,
		Checks:  make([]Result, 0, len(j.Subjects)), // never grown: changes point into it
		Voting:  in.Voting,
		started: prev != nil && prev.started || len(in.Life.Holds) == 0,
	}
	for _, s := range j.Subjects {
		n := len(v.Checks)
		result := s.result(at, in.Override(s.Name))
		if s.Late && result.Finding.None {
			continue
		}
		v.Checks = append(v.Checks, result)
		r := &v.Checks[n]
		if old := prev.of(n, s); old != nil {
			r.Moved, r.known = old.Moved, old.known || r.State != verdict.Unknown
			if old.State == r.State {
				r.Since = old.Since
			} else {
				r.Moved = old.known
				changes = append(changes, Change{Check: r, Was: old.State})
			}
		} else if (s.Late || !s.Awaited) && r.State != verdict.Pass {
			changes = append(changes, Change{Check: r}) // the first state is a change if it is not pass
		}
		if old := prev.of(n, s); old != nil && old.told {
			r.told = true
		} else if r.Finding.Mistake != nil {
			r.told = true
			changes = append(changes, Change{Check: r, Told: r.Finding.Mistake})
		}
	}
	if in.Voting {
		v.Own = v.own(in.Life, in.Collecting)
	}
	changes = append(changes, j.vote(v, prev, in, at)...)
	if prev != nil {
		v.Stayed = prev.stayed(now)
	}
	v.Course = newCourse(v.probes(in.Life, in.Collecting), now)
	v.Admitted = prev != nil && prev.Admitted || v.Probes[states.Readiness].State != verdict.Fail
	if v.shadows() || prev != nil && prev.Shadow != nil {
		c := newCourse(v.enforced().probes(in.Life, in.Collecting), now)
		v.Shadow = &c
	}
	return v, append(changes, v.follow(prev)...)
}

// result is the subject's part of a judgement, without the history.
func (s *Subject) result(at memory.Instant, override verdict.Effect) Result {
	f := s.Evaluate(at)
	r := Result{
		Subject: s, Finding: f, State: f.State, Since: at.Now, Reason: text.Shorten(f.Reason, maxReason),
		OnFail: s.OnFail, known: f.State != verdict.Unknown,
	}
	r.Shadow = s.Shadow
	switch override {
	case "":
	case states.Shadow, states.Enforce:
		if shadow := override == states.Shadow; shadow != s.Shadow {
			r.Override, r.Shadow = override, shadow
		}
	default:
		r.Override, r.OnFail, r.Shadow = override, override, false
	}
	return r
}
