package votes

import (
	"fmt"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var began = time.Now()

// after is the time since the first failure of the row.
func after(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }

// peer makes the n-th peer, heard at a time.
func peer(n int, at float64, change func(*Answer)) Peer {
	a := &Answer{Instance: fmt.Sprint(n), Service: "orders", Phase: states.Running, State: verdict.Pass, Admitted: true,
		Checks: map[string]Check{"database": {Worked: -1, Began: -1}}}
	if change != nil {
		change(a)
	}
	return Peer{Address: a.Instance, Asked: []string{"database"}, Sent: after(at - .01), Heard: after(at), Answer: a}
}

func fails(a *Answer) { a.State = verdict.Fail }

// worked is a peer's success that began some seconds before the answer.
func worked(s float64) func(*Answer) {
	return func(a *Answer) {
		a.Checks["database"] = Check{Worked: time.Duration(s * float64(time.Second)), Began: -1}
	}
}

// own is a ready instance that failed at 0 s and last at 5 s.
func own(change func(*Own)) Own {
	o := Own{Check: "database", Began: began, Failed: after(5), Admitted: true, Ready: true}
	if change != nil {
		change(&o)
	}
	return o
}

// TestVotes: one peer's vote at 6 s.
func TestVotes(t *testing.T) {
	for _, c := range []struct {
		why  string
		peer Peer
		own  func(*Own)
		want Vote
	}{
		{"worked after my first failure, and I have failed again", peer(1, 5.9, worked(3)), nil, Works},
		{"worked before my first failure", peer(1, 5.9, worked(6)), nil, Pending},
		{"worked after my first failure, perhaps", peer(1, 5.9, worked(5.895)), nil, Pending},
		{"worked after my last failure", peer(1, 5.9, worked(.5)), nil, Pending},
		{"worked after my last failure, perhaps", peer(1, 5.9, worked(.895)), nil, Pending},
		{"never worked", peer(1, 5.9, nil), nil, Pending},
		{"fails", peer(1, 5.9, fails), nil, Fails},
		{"fails on another check alone", peer(1, 5.9, func(a *Answer) { worked(1)(a); fails(a) }), nil, Fails},
		{"fails and never was ready", peer(1, 5.9, func(a *Answer) { fails(a); a.Admitted = false }), nil, Abstain},
		{"has no evidence yet", peer(1, 5.9, func(a *Answer) { a.State = verdict.Unknown }), nil, Abstain},
		{"says a state of a later release", peer(1, 5.9, func(a *Answer) { a.State = "thrives" }), nil, Abstain},
		{"drains", peer(1, 5.9, func(a *Answer) { a.Phase = states.Draining }), nil, Abstain},
		{"is in maintenance", peer(1, 5.9, func(a *Answer) { fails(a); a.Phase = states.Maintenance }), nil, Abstain},
		{"starts", peer(1, 5.9, func(a *Answer) { a.Phase = states.Starting }), nil, Abstain},
		{"speaks another version", Peer{Heard: after(5.9)}, nil, Abstain},
		{"refuses", Peer{Heard: after(5.9), Refused: true}, nil, Abstain},
		{"was not asked yet", Peer{}, nil, Pending},
		{"was not asked about this check yet", func() Peer { p := peer(1, 5.9, worked(3)); p.Asked = []string{"queue"}; return p }(), nil, Pending},
		{"does not have the check", peer(1, 5.9, func(a *Answer) { a.Checks = nil }), nil, Pending},
		{"does not have the check, for long", peer(1, 5.9, func(a *Answer) { a.Checks = nil }), func(o *Own) { o.Began = after(-30) }, Works},
		{"silent, but not for long", peer(1, 3.5, fails), nil, Fails},
	} {
		t.Run(c.why, func(t *testing.T) {
			var r Row
			r.Decide(own(c.own), []Peer{c.peer}, memory.Instant{Now: after(5.5)})
			d := r.Decide(own(c.own), []Peer{c.peer}, memory.Instant{Now: after(6)})
			if d.Tally[c.want] != 1 {
				t.Errorf("%v; want one that %v", d.Tally, c.want)
			}
			if want := c.want == Fails || c.want == Pending; d.Stays != want {
				t.Errorf("stays: %v", d.Stays)
			}
		})
	}
}

// TestSilence: a peer that is silent for 3 s counts as one that works, unless it has ended. Time in
// which this process was suspended does not count.
func TestSilence(t *testing.T) {
	draining := peer(1, 0, func(a *Answer) { a.Phase = states.Draining })
	for _, c := range []struct {
		why     string
		peer    Peer
		resumed float64
		want    Vote
	}{
		{"never heard", Peer{}, 0, CutOff},
		{"its last word is old", peer(1, 0, fails), 0, CutOff},
		{"it was draining", draining, 0, Abstain},
		{"it had no process", Peer{Heard: after(0), Refused: true}, 0, Abstain},
		{"a lookup has found it 2 s ago", Peer{Since: after(1.1)}, 0, Pending},
		{"this process was suspended", peer(1, 0, fails), 2, Fails},
	} {
		t.Run(c.why, func(t *testing.T) {
			var r Row
			r.Decide(own(nil), []Peer{c.peer}, memory.Instant{Now: after(0)})
			d := r.Decide(own(nil), []Peer{c.peer}, memory.Instant{Now: after(3.1), Resumed: after(c.resumed)})
			if d.Tally[c.want] != 1 {
				t.Errorf("%v; want %v", d.Tally, c.want)
			}
		})
	}
}

// TestRule is the decision for every tally of up to six peers, against the sentences of docs/peers.md.
func TestRule(t *testing.T) {
	for works := range 7 {
		for cut := range 7 - works {
			for fails := range 7 - works - cut {
				for pending := range 7 - works - cut - fails {
					tally := Tally{Works: works, CutOff: cut, Fails: fails, Pending: pending}
					all := float64(works + cut + fails + pending)
					for _, o := range []Own{{Admitted: true, Ready: true}, {Admitted: true}, {}} {
						got, want := stays(o, &Decision{Tally: tally}), false
						switch {
						case all == 0:
						case !o.Admitted:
							want = works+pending == 0 && fails > 0 && fails >= cut
						case o.Ready:
							want = float64(works+cut)/all <= .5
						case fails > 0:
							want = float64(works+cut)/(all-float64(pending)) <= .4
						}
						if got != want {
							t.Errorf("%+v, %v: stays is %v", o, tally, got)
						}
					}
				}
			}
		}
	}
}

// TestConfirmedSuccess: a confirmed success of a peer counts until the peer fails, also if its later successes come
// after every failure here.
func TestConfirmedSuccess(t *testing.T) {
	var r Row
	decide := func(at, age float64, change func(*Answer)) Vote {
		d := r.Decide(own(func(o *Own) { o.Failed = after(5) }), []Peer{peer(1, at, func(a *Answer) {
			worked(age)(a)
			if change != nil {
				change(a)
			}
		})}, memory.Instant{Now: after(at)})
		for _, v := range Votes {
			if d.Tally[v] > 0 {
				return v
			}
		}
		return -1
	}
	for n, step := range []struct {
		at, age float64
		change  func(*Answer)
		want    Vote
	}{{5.1, 1, nil, Works}, {9, .1, nil, Works}, {10, .1, fails, Fails}, {11, .1, nil, Pending}, {12, 1.2, nil, Pending}} {
		if got := decide(step.at, step.age, step.change); got != step.want {
			t.Errorf("step %d: %v, want %v", n, got, step.want)
		}
	}
}

// TestNobodyKnows: an instance that is out stays out until peers fail. Peers without an answer or without a confirmed
// success don't bring it back, because it would go out again within seconds.
func TestNobodyKnows(t *testing.T) {
	outside := own(func(o *Own) { o.Ready = false })
	for what, peers := range map[string][]Peer{
		"the peer has another address":     {{Address: "new"}},
		"the peer has another process":     {peer(2, 5.9, worked(.5))},
		"one works and the others restart": {peer(1, 5.9, worked(3)), peer(2, 5.9, worked(.5)), peer(3, 5.9, worked(.5))},
	} {
		var r Row
		if d := r.Decide(outside, peers, memory.Instant{Now: after(6)}); d.Stays || d.Tally[Pending] == 0 {
			t.Errorf("%s: %v, stays: %v", what, d.Tally, d.Stays)
		}
		if d := r.Decide(outside, append(peers, peer(8, 5.9, fails), peer(9, 5.9, fails)), memory.Instant{Now: after(6)}); !d.Stays {
			t.Errorf("%s, and two fail: %v", what, d.Tally)
		}
	}
}

// TestLastWord: a ready instance stays ready for a minute after the last failing peer has lost its vote, because that
// peer may restart. An instance that is out does not become ready by this.
func TestLastWord(t *testing.T) {
	for _, c := range []struct {
		at    float64
		ready bool
		want  bool
	}{{7, true, true}, {64, true, true}, {67, true, false}, {7, false, false}} {
		var r Row
		if r.Decide(own(nil), []Peer{{Heard: after(5), Refused: true}}, memory.Instant{Now: after(5)}).Stays {
			t.Error("it stays although no peer has failed")
		}
		r.Decide(own(nil), []Peer{peer(1, 5.9, fails)}, memory.Instant{Now: after(6)})
		for what, gone := range map[string][]Peer{"refuses": {{Heard: after(6.5), Refused: true}}, "is gone": nil, "starts": {peer(1, c.at, func(a *Answer) { a.Phase = states.Starting })}} {
			if d := r.Decide(own(func(o *Own) { o.Ready = c.ready }), gone, memory.Instant{Now: after(c.at)}); d.Stays != c.want {
				t.Errorf("the peer %s, %v s, ready %v: %v", what, c.at, c.ready, d)
			}
		}
	}
}

// TestPendingOnly: if all peers with a vote are pending, they keep an instance ready for a limited time. The time begins
// again after a peer has failed. Time in which this process was suspended does not count.
func TestPendingOnly(t *testing.T) {
	never, works := peer(1, 0, nil), peer(2, 0, worked(0))
	limit := (waitLimit + 20*time.Second).Seconds()
	for _, c := range []struct {
		why     string
		others  []Peer
		resumed float64 // at the last decision
		failed  float64 // a peer fails then; 0 for none
		out     float64 // it is out from then on; 0 for never
	}{
		{"one is pending", []Peer{never}, 0, 0, 10 + limit},
		{"one works, and four are pending", []Peer{works, never, peer(3, 0, nil), peer(4, 0, nil), peer(5, 0, nil)}, 0, 0, 10 + limit},
		{"one fails, and four are pending", []Peer{peer(2, 0, fails), never, peer(3, 0, nil), peer(4, 0, nil), peer(5, 0, nil)}, 0, 0, 0},
		{"a peer fails meanwhile", []Peer{never}, 0, 40, 40 + lastWord.Seconds() + limit},
		{"this process was suspended", []Peer{never}, 30, 0, 30 + limit},
	} {
		t.Run(c.why, func(t *testing.T) {
			var r Row
			for at := 10.; at < 300; at++ {
				peers := []Peer{}
				for _, p := range c.others {
					p.Sent, p.Heard = after(at-.01), after(at)
					if a := *p.Answer; a.Checks["database"].Worked == 0 {
						a.Checks = map[string]Check{"database": {Worked: 2 * time.Second, Began: -1}}
						p.Answer = &a
					}
					if at == c.failed {
						p.Answer = peer(1, at, fails).Answer
					}
					peers = append(peers, p)
				}
				now := memory.Instant{Now: after(at)}
				if c.resumed > 0 && at >= c.resumed {
					now.Resumed = after(c.resumed)
				}
				d := r.Decide(own(func(o *Own) { o.Failed, o.Notice = after(at), 20*time.Second }), peers, now)
				if want := c.out == 0 || at < c.out; d.Stays != want {
					t.Fatalf("at %v s: stays is %v: %s", at, d.Stays, d.Reason())
				}
			}
		})
	}
}

// TestNewNames: if a peer has a new id in every answer, the memory does not grow.
func TestNewNames(t *testing.T) {
	var r Row
	for n := range 10000 {
		r.Decide(own(nil), []Peer{peer(n, 5.9, worked(3)), peer(-1, 5.9, worked(3))}, memory.Instant{Now: after(6)})
	}
	if n := len(r.first); n > 2*maxNames {
		t.Errorf("%d names", n)
	}
	if d := r.Decide(own(nil), []Peer{peer(-1, 6.1, worked(.1))}, memory.Instant{Now: after(6.2)}); d.Tally[Works] != 1 {
		t.Errorf("a well-behaved peer was forgotten: %v", d.Tally)
	}
}

// TestTwoAddresses: one instance has one vote.
func TestTwoAddresses(t *testing.T) {
	var r Row
	two := []Peer{peer(1, 5.9, worked(3)), peer(1, 5.9, worked(3)), peer(2, 5.9, fails)}
	two[1].Address = "another"
	d := r.Decide(own(nil), two, memory.Instant{Now: after(6)})
	if d.Tally != (Tally{Works: 1, Fails: 1}) {
		t.Errorf("%v", d.Tally)
	}
}
