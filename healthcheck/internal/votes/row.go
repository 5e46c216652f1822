package votes

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// An Own describes the failing check of this instance, and the instance itself.
type Own struct {
	Check    string
	Began    time.Time // start of the first failure in the row
	Failed   time.Time // start of the last failure
	Admitted bool      // the instance was ready at least once
	Ready    bool      // the instance was ready in the last judgement

	// Notice is the longest time that a peer needs to fail this check too, from the beginning of an outage.
	Notice time.Duration
}

// A Row is the memory of a check that fails, until it works again.
type Row struct {
	since time.Time            // the first decision
	first map[string]time.Time // by peer: the latest start of its first success since the row began
	word  time.Time            // when a peer failed last
	waits time.Time            // since when only pending peers keep the instance ready; zero if they don't
}

// maxNames is how many instances a Row remembers in addition to the present ones.
const maxNames = 100

// A Decision is the result of a vote.
type Decision struct {
	Stays bool
	Tally Tally
	Retry bool // one more failure here would confirm that a peer works
	last  bool // a peer failed not long ago
	late  bool // pending peers have had enough time, and don't keep the instance ready any more
}

// Decide counts the votes of the peers.
func (r *Row) Decide(own Own, peers []Peer, at memory.Instant) (d Decision) {
	if r.since.IsZero() {
		r.since, r.first = at.Now, map[string]time.Time{}
	}
	counted := map[string]bool{}
	for n := range peers {
		p := &peers[n]
		if a := p.Answer; a != nil { // a peer may have two addresses
			if counted[a.Instance] {
				continue
			}
			counted[a.Instance] = true
		}
		v, retry := r.vote(own, p, at)
		d.Tally[v]++
		d.Retry = d.Retry || retry
	}
	if len(r.first) > maxNames+len(peers) { // a faulty peer has a new id in every answer
		maps.DeleteFunc(r.first, func(instance string, _ time.Time) bool { return !counted[instance] })
	}
	if d.Tally[Fails] > 0 {
		r.word = at.Now
	}
	d.last = !r.word.IsZero() && at.Since(r.word) < lastWord
	d.late = r.waited(own, d, at)
	d.Stays = stays(own, &d)
	return d
}

// waited reports whether only pending peers have kept the instance ready, for as long as they may. There must be
// a limit: a peer without traffic stays pending for ever, and so does one whose check runs only once.
func (r *Row) waited(own Own, d Decision, at memory.Instant) bool {
	without := d
	without.late = true
	if !own.Ready || !stays(own, &d) || stays(own, &without) {
		r.waits = time.Time{}
		return false
	}
	if r.waits.IsZero() {
		r.waits = at.Now
	}
	return at.Since(r.waits) >= waitLimit+own.Notice
}

// stays is the rule. A ready instance becomes not ready only while more than half of the peers with a vote work or
// are silent. It becomes ready again at 40 %, so that a fleet near one half does not flap. For that at least one
// peer must fail: a pending one, such as a new process, would take the instance out again within seconds. An
// instance that was never ready has not proved that it can work. It becomes ready only while all others fail. If
// nobody has a vote because the last failing peers restart, a ready instance stays ready for lastWord.
func stays(own Own, d *Decision) bool {
	t := &d.Tally
	out, all := t[Works]+t[CutOff], t.Peers()
	if d.late {
		all -= t[Pending]
	}
	switch {
	case all == 0:
		return own.Ready && d.last // else decide as without peers
	case !own.Admitted:
		return t[Works] == 0 && t[Pending] == 0 && t[Fails] > 0 && t[CutOff] <= t[Fails]
	case own.Ready:
		return 2*out <= all
	}
	return t[Fails] > 0 && 5*out <= 2*(out+t[Fails])
}

// vote returns the vote of one peer. retry means that the peer seems to work, and that the next failure of this
// instance would confirm it.
func (r *Row) vote(own Own, p *Peer, at memory.Instant) (v Vote, retry bool) {
	a := p.Answer
	switch {
	case p.silent(r.since, at):
		if p.gone() {
			return Abstain, false
		}
		return CutOff, false
	case p.Refused:
		return Abstain, false
	case p.Heard.IsZero():
		return Pending, false // asked, and not answered yet
	case a == nil, a.Phase != states.Running:
		return Abstain, false
	case a.State == verdict.Fail:
		delete(r.first, a.Instance)
		if !a.Admitted {
			return Abstain, false // a peer that was never ready may fail for a reason of its own
		}
		return Fails, false
	case a.State != verdict.Pass:
		return Abstain, false
	case !slices.Contains(p.Asked, own.Check):
		return Pending, false
	}
	return r.passes(own, p, at)
}

// passes returns the vote of a peer that passes by its own evidence. Its success counts only if it began after
// the first failure here. Otherwise the peer may not have noticed the outage yet. This check must also have failed
// again after that success. Otherwise the outage may be over.
func (r *Row) passes(own Own, p *Peer, at memory.Instant) (v Vote, retry bool) {
	a := p.Answer
	c, has := a.Checks[own.Check]
	if !has {
		if at.Since(own.Began) >= lacksAfter {
			return Works, false
		}
		return Pending, false
	}
	first, seen := r.first[a.Instance]
	if !seen {
		// The peer wrote the answer at some time between the question and the arrival of the answer.
		if c.Worked < 0 || !p.Sent.Add(-c.Worked).After(own.Began) {
			return Pending, false
		}
		first = p.Heard.Add(-c.Worked)
		r.first[a.Instance] = first
	}
	if own.Failed.After(first) {
		return Works, false
	}
	return Pending, true
}

// Panics reports whether the instance stays ready because peers fail too, or have failed within lastWord.
func (d *Decision) Panics() bool { return d.Stays && (d.Tally[Fails] > 0 || d.last) }

// Reason writes the decision for people.
func (d *Decision) Reason() string {
	t, all := &d.Tally, d.Tally.Peers()
	switch {
	case all == 0 && d.Stays:
		return "stays in for a minute, because the last peers failed too"
	case all == 0:
		return "no peer has a vote"
	case d.Stays && t[Fails] > 0:
		return fmt.Sprintf("stays in, %d of %d peers fail too", t[Fails], all)
	case d.Stays:
		return fmt.Sprintf("stays in until %d of %d peers have checked it too", t[Pending], all)
	case t[CutOff] > 0:
		return fmt.Sprintf("out, %d of %d peers work, and %d are silent", t[Works], all, t[CutOff])
	case t[Works] > 0 && d.late && 2*t[Works] <= all:
		return fmt.Sprintf("out, %d of %d peers work, and the others have had their time to check it", t[Works], all)
	case t[Works] > 0:
		return fmt.Sprintf("out, %d of %d peers work", t[Works], all)
	}
	return fmt.Sprintf("out until %d of %d peers have checked it too", t[Pending], all)
}
