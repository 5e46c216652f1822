package judge

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// own returns readiness by the instance's own evidence. This is the answer to peers. It is unknown if only
// checks without evidence keep the instance out.
func (v *Verdict) own(life lifecycle.Phase, collecting time.Duration) verdict.State {
	life.Current = states.Running // the answer to peers has the phase in another field
	own := *v
	own.Phase = states.Running
	if own.readiness(life, collecting).State != verdict.Fail {
		return verdict.Pass
	}
	for n := range v.Checks {
		if c := &v.Checks[n]; c.excludes() && c.known {
			return verdict.Fail
		}
	}
	if collecting > collectLimit {
		return verdict.Fail
	}
	return verdict.Unknown
}

// Votable reports whether peers have a vote on a check when it fails. They have none on a vital check.
func (c *Result) Votable() bool {
	alone := c.Subject.Alone || c.Finding.Outcome != nil && c.Finding.Outcome.Alone
	return c.OnFail == states.NotReady && !alone && !c.Shadow
}

// voted reports whether peers vote on a check now. They don't vote on a check without evidence, or on one
// without a failure, such as a stale one: nobody can say whether a peer's success came after the failure.
func (c *Result) voted() bool {
	return c.Votable() && !states.Good(c.State) && c.known && !c.Finding.Starts.Row.IsZero()
}

// vote lets the peers decide on each failing check. It returns the decisions that are new.
func (j *Judge) vote(v, prev *Verdict, in Inputs, at memory.Instant) (changes []Change) {
	if !in.Voting || v.Phase != states.Running {
		j.rows = nil // the instance is out anyway, so no peer is asked
		return nil
	}
	rows := map[*Subject]*votes.Row{}
	for n := range v.Checks {
		c := &v.Checks[n]
		if !c.voted() {
			continue
		}
		row := j.rows[c.Subject]
		if row == nil {
			row = &votes.Row{}
		}
		rows[c.Subject] = row
		began, failed := c.Finding.Starts.Row, c.Finding.Starts.Failure
		d := row.Decide(votes.Own{
			Check: c.Subject.Name, Began: began, Failed: failed,
			Notice: c.Subject.Notice, Admitted: prev != nil && prev.Admitted, Ready: prev != nil && prev.Probes[states.Readiness].State != verdict.Fail,
		}, in.Peers, at)
		c.Vote = &d
		why := "; " + d.Reason()
		c.Reason = text.Shorten(c.Finding.Reason, maxReason-len(why)) + why
		if old := prev.of(n, c.Subject); old == nil || old.Vote == nil || old.Vote.Stays != d.Stays {
			changes = append(changes, Change{Check: c, Voted: true})
		}
	}
	j.rows = rows
	return changes
}

// Asks returns the names of the checks on which peers vote now.
func (v *Verdict) Asks() (names []string) {
	for n := range v.Checks {
		if c := &v.Checks[n]; c.Vote != nil {
			names = append(names, c.Subject.Name)
		}
	}
	return names
}

// Panics reports whether the instance stays ready although a core check fails, because its peers fail too.
// It reports false while the instance only waits for peers that have not noticed the outage yet.
func (v *Verdict) Panics() bool {
	if v.Probes[states.Readiness].State == verdict.Fail {
		return false
	}
	for n := range v.Checks {
		if c := &v.Checks[n]; c.stays() && c.Vote.Panics() {
			return true
		}
	}
	return false
}
