// Package votes decides whether a failing check takes its instance out, by the answers of its peers. A
// Kubernetes Service has no panic threshold, so instances that all lack one dependency would all leave.
//
// In: the answers of peers as the caller has them in memory, what the instance knows of its own check,
// and an instant. Out: stay or leave, and the [Tally]. A [Row] is the memory of one failing check, and
// the judging goroutine owns it. It asks nobody. There is no lock and no clock.
package votes

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// An Answer is what a peer says of itself and of the checks that it was asked for. It has ages and no
// times, so the clocks of two machines don't matter.
type Answer struct {
	Instance string           // of the process, to leave oneself out
	Service  string           // peers of another service don't vote
	Phase    states.Phase     // only a running peer votes
	State    verdict.State    // of readiness by its own evidence, before any vote; Unknown without evidence
	Admitted bool             // it was ready once
	Checks   map[string]Check // as far as it has them
}

// A Check is what a peer says of one of its checks.
type Check struct {
	Worked time.Duration // since the start of its last success; negative if there was none
	Began  time.Duration // since the start of the first failure, while it fails; negative if it works
}

// A Peer is what is known of one address. The zero Peer was not asked yet.
type Peer struct {
	Address string
	Since   time.Time // it is asked, if a check fails
	Asked   []string  // the checks of the question that it has answered
	Sent    time.Time // of that question
	Heard   time.Time // of its answer, or of the last refusal
	Answer  *Answer   // the last; nil if there is none that counts, for example of an unknown version
	Refused bool      // the last question was refused: there is no process
}

// gone reports whether a silent peer has ended and is not cut off: it was draining or had no process.
func (p *Peer) gone() bool {
	return p.Refused || p.Answer != nil && p.Answer.Phase == states.Draining
}

// silent reports whether the peer has not been heard for SilentAfter, although it is asked since a time.
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

// The votes. Works and CutOff are for leaving.
const (
	Works   Vote = iota // it works, and had this instance's chance to fail
	CutOff              // it is silent, so this instance may be the one that is alone
	Fails               // it fails too
	Pending             // it works, but may not have noticed yet
	Abstain             // it has no say: it starts, drains, is of another service, or has ended
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

	// lastWord is how long an instance stays in after the last peer that failed has lost its vote. It is the
	// time of a restart. In a fleet of two the other one would leave otherwise.
	lastWord = time.Minute

	// waitLimit is how long pending peers alone keep an instance in, besides the time that they need to fail
	// the check too. A peer runs a check within 7 s of the first question, and this instance runs it within 6 s
	// to confirm its success. It is less than the shortest usual ejection, which ends the failure after 24 s.
	waitLimit = 15 * time.Second

	// lacksAfter is how long a check fails here until a peer works that passes and does not have it. The
	// peer's release may know the same dependency by another name, and notices by then.
	lacksAfter = 30 * time.Second
)
