package healthcheck

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// told is the outcome of one story. A story is a simulated run of a fleet with faults.
type told struct {
	fewest, end, changes int
	firstOut, lastOut    time.Duration // of instances that were ready at the beginning; negative if none has left
	allPass              time.Duration // since when all checks pass; negative if they don't
	late                 int           // instances that were started during the story and are ready at the end
}

// tell runs a story and returns its outcome. each is called every 100 ms, if it is not nil.
func tell(t *testing.T, w world, seed uint64, withPeers bool, each func(f *peerFleet, at time.Duration)) (o told) {
	synctest.Test(t, func(t *testing.T) {
		f := newPeerFleet(t, w, seed, withPeers)
		o = told{fewest: 1 << 30, firstOut: -1, lastOut: -1, allPass: -1}
		f.watch()
		for _, m := range f.members {
			m.changes = 0
		}
		next := time.Duration(0)
		for f.at() < w.lasts {
			if at := f.at(); w.life != nil && at >= next {
				w.life(f, at)
				next += time.Second
			}
			time.Sleep(100 * time.Millisecond)
			o.fewest = min(o.fewest, f.watch())
			if pass := f.pass(); !pass {
				o.allPass = -1
			} else if o.allPass < 0 {
				o.allPass = f.at()
			}
			if each != nil {
				each(f, f.at())
			}
		}
		o.end = f.watch()
		for _, m := range f.members {
			o.changes = max(o.changes, m.changes)
			if m.firstOut >= 0 && !m.late {
				if o.firstOut < 0 {
					o.firstOut = m.firstOut
				}
				o.firstOut, o.lastOut = min(o.firstOut, m.firstOut), max(o.lastOut, m.firstOut)
			}
			if m.late && m.ready {
				o.late++
			}
		}
		for _, m := range f.members {
			m.kill()
		}
		time.Sleep(2 * time.Second) // until all handlers have returned
	})
	return o
}

// watch notes which instances are ready, and returns their number.
func (f *peerFleet) watch() (n int) {
	for _, m := range f.members {
		v := m.current.Load()
		_, over := m.over()
		ready := !over && v.Effective(states.Readiness, time.Now()).State != verdict.Fail
		if ready {
			n++
		}
		if ready != m.ready && m.admitted && !over && v.Phase == states.Running {
			m.changes++
			if testing.Verbose() {
				f.t.Logf("%v: %d is ready: %v: %s", f.at().Round(time.Millisecond), m.n, ready, v.Probes[states.Readiness].Reason)
			}
			if !ready && m.firstOut < 0 {
				m.firstOut = f.at()
			}
		}
		m.admitted = m.admitted || ready
		m.ready = ready
	}
	return n
}

// pass reports whether all checks of all instances pass.
func (f *peerFleet) pass() bool {
	for _, m := range f.members {
		if _, over := m.over(); over {
			continue
		}
		for _, c := range m.current.Load().Checks {
			if !states.Good(c.State) {
				return false
			}
		}
	}
	return true
}
