package healthcheck

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// everySlot is larger than the number of slots in any story.
const everySlot = 200

// run is one run of a check of an instance. It fails if the dependency is lost at its beginning or its end.
func (s *story) run(m *member, check string, usual time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		l, lost := s.loses(m, check)
		took := usual
		if lost {
			took = max(l.took, time.Millisecond)
		}
		t := time.NewTimer(took)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if _, lostNow := s.loses(m, check); lost || lostNow {
			return errDown
		}
		return nil
	}
}

// loses reports whether a run fails that begins or ends now.
func (s *story) loses(m *member, check string) (l loss, yes bool) {
	n := s.now.Load()
	if n.broken && m.release%2 == 1 && check == s.checks[0] {
		return loss{}, true
	}
	if l, yes = n.lost[place{m.slot, check}]; !yes {
		return l, false
	}
	at := time.Duration(time.Now().UnixNano())
	if l.period > 0 && at%l.period >= l.period/2 {
		return l, false
	}
	if l.share > 0 && s.dice(m, at).Float64() >= l.share {
		return l, false
	}
	return l, true
}

// dice returns random numbers, which are the same for the same instance at the same time.
func (s *story) dice(m *member, at time.Duration) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(at), uint64(m.n)))
}

// handle delays answers, or gives wrong ones.
func (s *story) handle(m *member, at time.Duration, w http.ResponseWriter, _ *http.Request) bool {
	n := s.now.Load()
	if d, slow := n.slow[m.slot]; slow {
		if d < 0 {
			d = time.Duration(s.dice(m, at).Int64N(int64(2 * time.Second)))
		}
		time.Sleep(d)
	}
	lie, is := n.lies[m.slot]
	if !is {
		return false
	}
	instance, phase, state, worked := m.instance, "running", lie, 0
	switch lie {
	case "garbage":
		fmt.Fprint(w, `{"peers":1,"checks":[[[[`)
		return true
	case "draining":
		phase, state = "draining", "pass"
	case "steal":
		instance, state = s.f.members[0].instance, "fail"
	case "new":
		instance, state = fmt.Sprint(at), "pass"
	case "random":
		state = []string{"pass", "fail", "unknown"}[s.dice(m, at).IntN(3)]
	}
	fmt.Fprintf(w, `{"peers":1,"instance":%q,"service":"orders","lifecycle":%q,"state":%q,"admitted":true,"checks":{"database":{"worked":%d},"queue":{"worked":0}}}`, instance, phase, state, worked)
	return true
}

// names returns the addresses that DNS gives.
func (s *story) names(m *member, at time.Duration, all []netip.Addr) []netip.Addr {
	if all = s.answer(m, at, all); len(all) > 0 {
		s.known.Store(m, all)
	}
	return all
}

func (s *story) answer(m *member, at time.Duration, all []netip.Addr) []netip.Addr {
	switch n := s.now.Load(); n.dns {
	case "empty":
		return nil
	case "stale":
		return n.old
	case "wrong":
		return []netip.Addr{netip.MustParseAddr("10.9.9.1"), netip.MustParseAddr("10.9.9.2")}
	case "some":
		all = slices.Clone(all)
		s.dice(m, at).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return all[:(len(all)+1)/2]
	}
	return all
}

// some are some of the slots.
func (s *story) some() (set []int) {
	n := len(s.slots)
	switch s.r.IntN(5) {
	case 0, 1:
		for k := range everySlot {
			set = append(set, k)
		}
		return set
	case 2:
		return []int{s.slots[s.r.IntN(n)].slot}
	}
	for _, k := range s.r.Perm(n)[:1+s.r.IntN(n)] {
		set = append(set, s.slots[k].slot)
	}
	slices.Sort(set)
	return set
}

func slotsOf(set []int) string {
	if len(set) == everySlot {
		return "all"
	}
	return fmt.Sprint(set)
}

// happen makes one random event happen.
func (s *story) happen() {
	switch s.r.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		s.lose()
	case 6:
		set := s.some()
		s.say("%s get all back", slotsOf(set))
		s.change(func(n *scene) {
			for p := range n.lost {
				if slices.Contains(set, p.slot) {
					delete(n.lost, p)
				}
			}
		})
	case 7, 8:
		s.cut()
	case 9:
		s.say("all links are whole, and nobody is slow or lies")
		s.change(func(n *scene) { clear(n.links); clear(n.slow); clear(n.lies) })
	case 10:
		set, d := s.some(), []time.Duration{300 * time.Millisecond, 800 * time.Millisecond, 1500 * time.Millisecond, -1}[s.r.IntN(4)]
		s.say("%s answer after %v", slotsOf(set), d)
		s.change(func(n *scene) {
			for _, k := range set {
				n.slow[k] = d
			}
		})
	case 11, 12:
		how := []string{"error", "silent", "empty", "stale", "wrong", "some", ""}[s.r.IntN(7)]
		s.say("names: %q", how)
		s.f.mu.Lock()
		old := slices.Clone(s.f.dns)
		s.f.mu.Unlock()
		s.change(func(n *scene) { n.dns, n.old = how, old })
	case 13, 14:
		s.restart()
	case 15:
		s.maintain()
	case 16, 17:
		s.rollout()
	case 18:
		s.scale()
	case 19:
		m, how := s.slots[s.r.IntN(len(s.slots))], []string{"pass", "fail", "unknown", "random", "draining", "garbage", "steal", "new"}[s.r.IntN(8)]
		s.say("%d lies: %s", m.slot, how)
		s.change(func(n *scene) { n.lies[m.slot] = how })
	}
}

func (s *story) lose() {
	set, check := s.some(), s.checks[s.r.IntN(len(s.checks))]
	l := loss{took: []time.Duration{0, 0, 500 * time.Millisecond, time.Minute}[s.r.IntN(4)]}
	switch s.r.IntN(8) {
	case 0:
		l.period = time.Duration(1+s.r.IntN(40)) * time.Second
	case 1:
		l.share = s.r.Float64()
	}
	s.say("%s lose %s: %+v", slotsOf(set), check, l)
	s.change(func(n *scene) {
		for _, k := range set {
			n.lost[place{k, check}] = l
		}
	})
}

// cut cuts links from some to some others, one way or both.
func (s *story) cut() {
	from, to, both := s.some(), s.some(), s.r.IntN(2) == 0
	var err error = errSilent
	if s.r.IntN(4) == 0 {
		err = syscall.ECONNREFUSED
	}
	if s.r.IntN(2) == 0 { // a partition
		to = nil
		for _, m := range s.slots {
			if !slices.Contains(from, m.slot) {
				to = append(to, m.slot)
			}
		}
	}
	s.say("from %s to %s: %v; back too: %v", slotsOf(from), slotsOf(to), err, both)
	s.change(func(n *scene) {
		for _, a := range from {
			for _, b := range to {
				if a == b {
					continue
				}
				n.links[[2]int{a, b}] = err
				if both {
					n.links[[2]int{b, a}] = err
				}
			}
		}
	})
}

// end ends all faults. Soon after it, all instances are ready.
func (s *story) end() {
	for s.running() {
		s.tick(time.Second)
	}
	s.say("all faults end")
	s.now.Store(newScene())
	for _, lift := range s.lifts {
		lift()
	}
	s.tick(s.interval + s.timeout + 7*time.Second)
	for _, m := range s.f.members {
		if _, over := m.over(); !over && !m.leaving && !m.ready {
			s.wrong("%d is not ready %v after the end of all faults", m.slot, s.interval+s.timeout+7*time.Second)
		}
	}
	s.tick(3 * time.Second)
	asked := s.asked()
	s.tick(10 * time.Second)
	if n := s.asked(); n != asked {
		s.wrong("%d questions of a healthy fleet", n-asked)
	}
}

func (s *story) asked() (n int64) {
	for _, m := range s.f.members {
		n += m.running.peers.Questions()
	}
	return n
}
