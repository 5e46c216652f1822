package healthcheck

import (
	"net/netip"
	"slices"
	"time"
)

// restart restarts some instances, with an orderly shutdown or without, and perhaps at the same addresses.
func (s *story) restart() {
	set, orderly, inPlace := s.some(), s.r.IntN(2) == 0, s.r.IntN(2) == 0
	down, apart := time.Duration(s.r.IntN(20))*time.Second, time.Duration(s.r.IntN(3)*s.r.IntN(10))*time.Second
	s.say("%s restart, orderly: %v, at the same address: %v, %v down, %v apart", slotsOf(set), orderly, inPlace, down, apart)
	if orderly {
		down += 6 * time.Second
	}
	for k, m := range s.slots {
		if !slices.Contains(set, m.slot) || m.leaving {
			continue
		}
		delay := time.Duration(k) * apart
		s.later(delay, func() {
			if orderly {
				m.leave()
			} else {
				m.leaving = true
				m.kill()
			}
		})
		s.later(delay+down, func() {
			m.kill()
			s.replace(m, m.release, inPlace)
		})
	}
}

// replace starts an instance in the place of one that has ended.
func (s *story) replace(m *member, release int, inPlace bool) {
	k := slices.Index(s.slots, m)
	if k < 0 {
		return // scaled down
	}
	var address netip.Addr
	if inPlace {
		address = m.address
	}
	s.slots[k] = s.f.startAt(release, m.slot, address)
}

func (s *story) maintain() {
	set, d := s.some(), time.Duration(5+s.r.IntN(200))*time.Second
	s.say("%s are in maintenance for %v", slotsOf(set), d)
	for _, m := range s.slots {
		if slices.Contains(set, m.slot) {
			lift, err := m.Maintain("story", time.Now().Add(d))
			if err != nil {
				continue
			}
			s.lifts = append(s.lifts, lift)
			s.later(d, func() {})
			if s.r.IntN(2) == 0 {
				s.later(d/2, lift)
			}
		}
	}
}

// rollout replaces one instance after the other by the next release, and stops if a new one is not ready.
func (s *story) rollout() {
	release, breaks := s.slots[0].release+1, s.r.IntN(3) == 0
	s.say("rollout of release %d, broken: %v", release, breaks)
	if breaks {
		release |= 1
		s.change(func(n *scene) { n.broken = true })
	}
	var step func(k int)
	step = func(k int) {
		if k >= len(s.slots) {
			return
		}
		old := s.slots[k]
		fresh := s.f.startAt(release, old.slot, netip.Addr{})
		since := time.Now()
		var look func()
		look = func() {
			now := slices.Index(s.slots, old)
			switch {
			case now >= 0 && !old.leaving && fresh.ready:
				s.slots[now] = fresh
				old.leave()
				step(k + 1)
			case now < 0 || old.leaving || time.Since(since) > 30*time.Second:
				s.say("the rollout has stopped at %d", old.slot)
				fresh.leaving = true
				fresh.kill()
			default:
				s.later(time.Second, look)
			}
		}
		s.later(time.Second, look)
	}
	step(0)
}

func (s *story) scale() {
	n := 1 + s.r.IntN(12)
	s.say("scale to %d", n)
	for len(s.slots) < n {
		s.slots = append(s.slots, s.f.start(0))
	}
	for len(s.slots) > n {
		m := s.slots[len(s.slots)-1]
		m.leave()
		s.slots = s.slots[:len(s.slots)-1]
	}
	s.quiet = time.Now()
}
