// Package votes decides by the answers of peers whether a failing check takes its instance out. A Kubernetes
// Service has no panic threshold. So without this, an outage of a shared dependency would take all instances
// out.
//
// In: the last answers of peers, the failing check of this instance, and an instant. Out: whether the instance
// stays ready, and the [Tally]. A [Row] is the memory of one failing check. The judging goroutine owns it. The
// package asks nobody, and has no lock and no clock.
package votes

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// An Answer is the answer of a peer about itself and the checks of a question. It has ages and no times, so it
// does not depend on the clocks of two machines.
type Answer struct {
	Instance string           // id of the process, by which an instance recognizes its own answer
	Service  string           // peers of another service don't vote
	Phase    states.Phase     // only a running peer votes
	State    verdict.State    // of readiness by its own evidence, before any vote; Unknown without evidence
	Admitted bool             // the peer was ready at least once
	Checks   map[string]Check // the asked checks that the peer has
}

// A Check is the answer of a peer about one of its checks.
type Check struct {
	Worked time.Duration // since the start of its last success; negative if there was none
	Began  time.Duration // since the start of the first failure, while the check fails; negative if it works
}

// A Peer has the last answer of one address. The zero Peer was not asked yet.
type Peer struct {
	Address string
	Since   time.Time // when this instance began to ask it
	Asked   []string  // the checks of the question that it has answered
	Sent    time.Time // of that question
	Heard   time.Time // of its answer, or of the last refusal
	Answer  *Answer   // the last one; nil if none counts, for example because of an unknown version
	Refused bool      // the last connection was refused: there is no process
}

// gone reports whether a silent peer has ended, and is not cut off from the network: its last answer was that it
// drains, or its connections were refused.
func (p *Peer) gone() bool {
	return p.Refused || p.Answer != nil && p.Answer.Phase == states.Draining
}

// silent reports whether the peer has been asked and not heard for SilentAfter.
func (p *Peer) silent(since time.Time, at memory.Instant) bool {
	for _, t := range []time.Time{p.Since, p.Heard} {
		if t.After(since) {
			since = t
		}
	}
	return at.Since(since) >= SilentAfter
}

// A Vote is what a peer's answer means to a failing instance.
type Vote int

// The votes. Works and CutOff are votes for taking this instance out.
const (
	Works   Vote = iota // the peer works, and would have noticed the same outage by now
	CutOff              // the peer is silent: perhaps this instance is cut off from the network
	Fails               // the peer fails too
	Pending             // the peer works, but may not have noticed the outage yet
	Abstain             // no vote: the peer starts, drains, is of another service, or has ended
)

// Votes are all of them.
var Votes = [...]Vote{Works, CutOff, Fails, Pending, Abstain}

func (v Vote) String() string {
	return [...]string{"works", "cut_off", "fails", "pending", "abstains"}[v]
}

// A Tally counts the peers by their votes.
type Tally [len(Votes)]int

// Peers returns how many peers have a vote.
func (t *Tally) Peers() int { return t[Works] + t[CutOff] + t[Fails] + t[Pending] }

const (
	// SilentAfter is how long a peer may be silent until it counts as cut off.
	SilentAfter = 3 * time.Second

	// lastWord is how long an instance stays ready after the last failing peer has lost its vote, for example by
	// a restart. Otherwise, in a fleet of two the other instance would become not ready.
	lastWord = time.Minute

	// waitLimit is how long pending peers can keep an instance ready, in addition to the time that they need to
	// fail the check too. A peer runs a check within 7 s of the first question, and this instance runs it within
	// 6 s to confirm the peer's success. The shortest usual ejection lasts longer: 24 s.
	waitLimit = 15 * time.Second

	// lacksAfter is how long a check fails here until a passing peer without this check counts as working. The
	// peer's release may check the same dependency under another name, and by then it has noticed the outage.
	lacksAfter = 30 * time.Second
)
