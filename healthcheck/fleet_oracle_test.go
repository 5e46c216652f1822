package healthcheck

import (
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A ballot counts the votes on a check by the rules of docs/peers.md, after everything has settled. open counts peers
// whose vote can't be known.
type ballot struct{ works, cut, fails, open int }

// judgeAll compares each instance with the rule.
func (s *story) judgeAll() {
	if !s.steady() {
		return
	}
	for _, m := range s.f.members {
		if _, over := m.over(); over || m.service != "orders" {
			continue
		}
		v := m.current.Load()
		if v.Phase != states.Running {
			continue
		}
		in, out, any := true, false, false
		var votes []ballot
		for n := range v.Checks {
			if c := &v.Checks[n]; c.Vote != nil {
				any = true
				b, known := s.ballot(m, c.Subject.Name)
				if !known {
					return
				}
				votes = append(votes, b)
				mayStay, mayLeave := b.decide(v.Admitted)
				in, out = in && !mayLeave, out || !mayStay
			}
		}
		switch ready := m.ready; {
		case !any:
		case in && !ready:
			s.wrong("%d is out, and the rule says in: %+v: %s", m.slot, votes, v.Probes[states.Readiness].Reason)
		case out && ready:
			s.wrong("%d is in, and the rule says out: %+v: %s", m.slot, votes, v.Probes[states.Readiness].Reason)
		}
	}
}

// ballot counts the votes on a check of an instance.
func (s *story) ballot(m *member, check string) (b ballot, known bool) {
	n := s.now.Load()
	for _, lie := range n.lies {
		if lie == "steal" {
			return b, false
		}
	}
	addresses, known := s.known.Load(m)
	if !known {
		return b, false
	}
	for _, a := range addresses.([]netip.Addr) {
		var o *member
		before := 0
		for _, other := range s.f.members {
			if other.address == a {
				o = other
				before++
			}
		}
		if o == nil {
			b.cut++
			continue
		}
		if o == m {
			continue
		}
		link := n.links[[2]int{m.slot, o.slot}]
		_, over := o.over()
		v := o.current.Load()
		_, lies := n.lies[o.slot]
		switch {
		case link == syscall.ECONNREFUSED:
		case over, before > 1 && link != nil, o.service != "orders" && (link != nil || n.slow[o.slot] >= time.Second), s.quietFor(o.slot, m):
			b.open++
		case link != nil, n.slow[o.slot] >= time.Second:
			b.cut++
		case lies:
			b.open++
		case o.service != "orders", v.Phase != states.Running:
		case v.Own == verdict.Fail && v.Admitted:
			b.fails++
		case v.Own == verdict.Fail:
		case v.Own == verdict.Pass:
			b.works++
		}
	}
	return b, true
}

// quietFor reports whether a peer has refused its last connection, so that its silence is no vote.
func (s *story) quietFor(slot int, m *member) bool {
	for _, p := range m.running.peers.Peers() {
		if k := slices.IndexFunc(s.f.members, func(o *member) bool { return o.address.String() == p.Address && o.slot == slot }); k >= 0 && p.Refused {
			return true
		}
	}
	return false
}

// decide returns the decisions that the rule allows. Between 40 % and one half, both are right.
func (b ballot) decide(admitted bool) (mayStay, mayLeave bool) {
	for leaving := range b.open + 1 {
		for staying := range b.open - leaving + 1 {
			out, all := b.works+b.cut+leaving, b.works+b.cut+b.fails+leaving+staying
			switch share := float64(out) / float64(all); {
			case all == 0:
				mayLeave = true
			case !admitted && b.works == 0 && leaving == 0:
				mayStay = mayStay || b.fails+staying > 0 && b.cut <= b.fails+staying
				mayLeave = mayLeave || b.fails+staying == 0 || b.cut > b.fails+staying || b.open > 0
			case !admitted:
				mayLeave = true
				mayStay = mayStay || b.works == 0 // the open ones may be silent
			case share > .5:
				mayLeave = true
			case share <= .4:
				mayStay = true
			default:
				mayStay, mayLeave = true, true
			}
		}
	}
	return mayStay, mayLeave
}

// one checks a phase with one event in a healthy fleet.
func (s *story) one(began time.Time) {
	n := s.now.Load()
	here := map[int]bool{}
	for _, m := range s.f.members {
		if _, over := m.over(); !over && m.service == "orders" {
			here[m.slot] = true
		}
	}
	var lost int
	var check string
	for p, l := range n.lost {
		if !l.steady() || check != "" && p.check != check {
			return
		}
		if check = p.check; here[p.slot] {
			lost++
		}
	}
	switch {
	case lost == 0:
	case lost == len(here) && s.fewest < lost-1:
		s.wrong("%d of %d were ready while all have lost %s", s.fewest, lost, check)
	case 2*lost < len(here) && s.last.Sub(began) > s.interval+3*s.timeout+3*time.Second+5*time.Second+s.interval:
		s.wrong("the last of %d has left %v after the fault", lost, s.last.Sub(began))
	case 2*lost < len(here) && s.fewest < len(here)-lost:
		s.wrong("%d of %d were ready while %d have lost %s", s.fewest, len(here), lost, check)
	}
}
