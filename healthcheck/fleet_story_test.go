package healthcheck

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// story is a fleet and all events of one simulated run.
type story struct {
	t        *testing.T
	r        *rand.Rand // of the plot
	f        *peerFleet
	now      atomic.Pointer[scene]
	interval time.Duration
	timeout  time.Duration
	checks   []string
	slots    []*member
	lifts    []func()
	plan     []planned
	told     []string // the events so far
	problems []string
	virtual  time.Duration
	empty    time.Duration // how long no instance was ready, after one had been
	fewest   int           // fewest ready instances in the present phase
	settled  bool          // no change for a long time
	minds    map[*member]int
	quiet    time.Time // time of the last event
	last     time.Time // time of the last changed decision
	known    sync.Map  // by instance: the addresses that it got from DNS
}

type planned struct {
	at time.Time
	do func()
}

func (s *story) say(format string, a ...any) {
	line := fmt.Sprintf("%8.1f s: ", s.f.at().Seconds()) + fmt.Sprintf(format, a...)
	s.told = append(s.told, line)
	if testing.Verbose() && *chanceFor == 0 {
		s.t.Log(line)
	}
}

func (s *story) wrong(format string, a ...any) {
	if len(s.problems) > 5 {
		return
	}
	s.say("WRONG: "+format, a...)
	s.problems = append(s.problems, fmt.Sprintf(format, a...))
}

// later does something after a time.
func (s *story) later(d time.Duration, do func()) {
	s.plan = append(s.plan, planned{time.Now().Add(d), do})
	s.quiet = time.Now()
}

// settling is the time after which a decision can't depend on the past.
func (s *story) settling() time.Duration { return s.interval + 3*s.timeout + 75*time.Second }

// act makes some events happen, at once or soon after each other, and waits until everything has settled.
func (s *story) act() {
	s.fewest = 1 << 30
	calm := s.settled && len(s.now.Load().lost) == 0 && s.isClear()
	began := time.Now()
	was := maps.Clone(s.minds)
	things := 0
	for range 1 + s.r.IntN(3)*s.r.IntN(3) {
		s.happen()
		things++
		if s.r.IntN(2) == 0 {
			s.tick(time.Duration(s.r.Int64N(int64(15 * time.Second))))
		}
	}
	for s.running() {
		s.tick(time.Second)
	}
	s.tick(s.settling())
	s.settled = true
	minds := s.changes()
	for range 20 {
		s.tick(time.Second)
		s.judgeAll()
	}
	if m := s.changes(); m != minds && s.steady() {
		s.wrong("%d changes of mind within 20 s, although nothing has changed for %v", m-minds, time.Since(s.quiet))
	}
	for m, n := range s.minds {
		if n-was[m] > 1+things && s.steady() {
			s.wrong("%d has changed its mind %d times after %d things", m.slot, n-was[m], things)
		}
	}
	if calm && things == 1 {
		s.one(began)
	}
}

// running reports whether events are still planned.
func (s *story) running() bool { return len(s.plan) > 0 }

func (s *story) changes() (n int) {
	for _, m := range s.f.members {
		n += m.changes
	}
	return n
}

// tick lets time pass, and watches all instances every 100 ms.
func (s *story) tick(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
		for n := 0; n < len(s.plan); {
			if p := s.plan[n]; !time.Now().Before(p.at) {
				s.plan = slices.Delete(s.plan, n, n+1)
				p.do()
				s.quiet = time.Now()
				n = 0
				continue
			}
			n++
		}
		ready := 0
		s.f.watch()
		for _, m := range s.f.members {
			if m.ready && m.service == "orders" {
				ready++
			}
			s.watch(m)
		}
		if ready == 0 {
			s.empty += 100 * time.Millisecond
		}
		s.fewest = min(s.fewest, ready)
	}
}

// watch checks for one instance what must always be true.
func (s *story) watch(m *member) {
	v := m.current.Load()
	if _, over := m.over(); over || v.Time.IsZero() {
		return
	}
	if n := m.changes; n != s.minds[m] {
		s.minds[m], s.last = n, time.Now()
		s.say("%d is ready: %v: %s", m.slot, m.ready, v.Probes[states.Readiness].Reason)
	}
	if v.Phase == states.Running && v.Own == verdict.Pass && !m.ready {
		s.wrong("%d is out, although its own checks pass: %s", m.slot, v.Probes[states.Readiness].Reason)
	}
	if v.Probes[states.Liveness].State == verdict.Fail {
		s.wrong("%d: liveness fails", m.slot)
	}
	for _, p := range m.running.peers.Peers() {
		if a := p.Answer; a != nil && (a.Instance == m.instance || a.Service != m.service) {
			s.wrong("%d has a vote of %s of %s", m.slot, a.Instance, a.Service)
		}
	}
}
