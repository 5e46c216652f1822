package healthcheck

import (
	"maps"
	"net/netip"
	"time"
)

// A scene has the faults at one time. It is immutable.
type scene struct {
	lost   map[place]loss
	links  map[[2]int]error // from one slot to another
	slow   map[int]time.Duration
	lies   map[int]string
	dns    string       // the fault of DNS; empty if there is none
	old    []netip.Addr // of the last lookup before names were wrong
	broken bool         // releases with odd numbers lack the first check's dependency
}

type place struct {
	slot  int
	check string
}

// A loss describes how a dependency is lost.
type loss struct {
	took   time.Duration // of a run
	period time.Duration // it is lost for the first half of each; 0 for always
	share  float64       // of the runs that fail; 0 for all
}

func (l loss) steady() bool { return l.period == 0 && l.share == 0 }

// change makes the next scene.
func (s *story) change(do func(n *scene)) {
	old := s.now.Load()
	n := *old
	n.lost, n.links, n.slow, n.lies = maps.Clone(old.lost), maps.Clone(old.links), maps.Clone(old.slow), maps.Clone(old.lies)
	do(&n)
	s.now.Store(&n)
	s.quiet = time.Now()
}

func newScene() *scene {
	return &scene{lost: map[place]loss{}, links: map[[2]int]error{}, slow: map[int]time.Duration{}, lies: map[int]string{}}
}

// steady reports whether the scene does not change by itself.
func (s *story) steady() bool {
	n := s.now.Load()
	for _, l := range n.lost {
		if !l.steady() {
			return false
		}
	}
	for _, l := range n.lies {
		if l == "random" {
			return false
		}
	}
	for _, d := range n.slow {
		if d < 0 {
			return false
		}
	}
	return n.dns != "some" && !s.running()
}

func (s *story) isClear() bool {
	n := s.now.Load()
	return len(n.links)+len(n.slow)+len(n.lies) == 0 && n.dns == "" && !n.broken && len(s.lifts) == 0
}
