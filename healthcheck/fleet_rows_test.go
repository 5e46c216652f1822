package healthcheck

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// A row is one line of the table in docs/failure-modes.md.
type row struct {
	what  string
	share int // run only one of this many stories, because each takes long
	world world
	// want returns why an outcome with peers is wrong; empty if it is right. alone is the same story
	// without peers.
	want func(o, alone told) string
}

// heavy reports whether a story takes more than a second or two.
func (r *row) heavy() bool {
	return r.world.n >= 20 || r.world.life != nil || r.world.lasts > time.Minute
}

// never wants at least a number of ready instances at any time, and at most a number of decisions that change.
func never(fewest, changes int) func(o, alone told) string {
	return func(o, _ told) string {
		switch {
		case o.fewest < fewest:
			return fmt.Sprintf("%d ready, want %d at least", o.fewest, fewest)
		case o.changes > changes:
			return fmt.Sprintf("%d changes of mind, want %d at most", o.changes, changes)
		}
		return ""
	}
}

// both wants two things.
func both(a, b func(o, alone told) string) func(o, alone told) string {
	return func(o, alone told) string {
		if s := a(o, alone); s != "" {
			return s
		}
		return b(o, alone)
	}
}

// ends wants a number of ready instances at the end.
func ends(n int) func(o, alone told) string {
	return func(o, _ told) string {
		if o.end != n {
			return fmt.Sprintf("%d ready at the end, want %d", o.end, n)
		}
		return ""
	}
}

// leaves wants that the peers don't keep an instance ready for longer than a time.
func leaves(within time.Duration) func(o, alone told) string {
	return func(o, alone told) string {
		if late := o.lastOut - alone.lastOut; late > within {
			return fmt.Sprintf("the last one has left %v later than without peers, want %v at most", late, within)
		}
		return ""
	}
}

// brief has the rows of -fleets 1. They find the same faults of the rule and of the asker as all light rows, in a
// third of the time. docs/decisions.md lists these faults.
var brief = []string{
	"all of 2 lose it", "all of 10 for 30 s", "1 of 2", "5 of 10", "6 of 10", "two checks: one fails in 5, the other in 5",
	"3 of 9 lose it and the others", "1 of 10, and its peers are silent", "all of 10, and DNS is down", "1 of 10, and one lies: it fails",
}

var fleetRows = []row{
	{"all of 2 lose it", 1, world{n: 2, lasts: 30 * time.Second, fails: first(2, 0)}, never(1, 0)},
	{"all of 3 lose it", 1, world{n: 3, lasts: 30 * time.Second, fails: first(3, 0)}, never(2, 0)},
	{"all of 10 lose it", 1, world{n: 10, lasts: 30 * time.Second, fails: first(10, 0)}, never(9, 0)},
	{"all of 50 lose it", 1, world{n: 50, lasts: 20 * time.Second, fails: first(50, 0)}, never(49, 0)},
	{"all of 10, runs time out", 1, world{n: 10, lasts: 30 * time.Second, fails: first(10, time.Minute)}, never(9, 0)},
	{"all of 10, every 60 s", 1, world{n: 10, interval: time.Minute, lasts: 90 * time.Second, fails: first(10, 0)}, never(9, 0)},
	{"all of 10 for 30 s", 1, world{n: 10, lasts: 50 * time.Second, fails: during(0, 30*time.Second)}, both(never(9, 0), func(o, _ told) string {
		if late := 30*time.Second + 5*time.Second + 2*time.Second; o.allPass < 0 || o.allPass > late {
			return fmt.Sprintf("all pass after %v, want %v at most", o.allPass, late)
		}
		return ""
	})},
	{"all of 10, one by one within 30 s", 1, world{n: 10, lasts: 70 * time.Second, fails: later}, both(never(5, 2), ends(10))},
	{"all of 10, on and off every 20 s", 1, world{n: 10, lasts: 100 * time.Second, fails: flapping(20 * time.Second)}, never(9, 0)},
	{"1 of 10", 1, world{n: 10, lasts: 30 * time.Second, fails: first(1, 0)}, both(both(never(9, 1), ends(9)), leaves(5*time.Second))},
	{"1 of 10, every 60 s", 1, world{n: 10, interval: time.Minute, lasts: 90 * time.Second, fails: first(1, 0)}, both(both(never(9, 1), ends(9)), leaves(5*time.Second))},
	{"1 of 3", 1, world{n: 3, lasts: 30 * time.Second, fails: first(1, 0)}, both(both(never(2, 1), ends(2)), leaves(5*time.Second))},
	{"1 of 2", 1, world{n: 2, lasts: 30 * time.Second, fails: first(1, 0)}, both(both(never(1, 1), ends(1)), leaves(5*time.Second))},
	{"3 of 10", 1, world{n: 10, lasts: 40 * time.Second, fails: first(3, 0)}, both(both(never(7, 1), ends(7)), leaves(5*time.Second))},
	{"4 of 10", 1, world{n: 10, lasts: 40 * time.Second, fails: first(4, 0)}, both(both(never(6, 1), ends(6)), leaves(5*time.Second))},
	{"5 of 10", 1, world{n: 10, lasts: 40 * time.Second, fails: first(5, 0)}, both(both(never(5, 1), ends(5)), leaves(5*time.Second))},
	{"6 of 10", 1, world{n: 10, lasts: 40 * time.Second, fails: first(6, 0)}, never(4, 1)},
	{"100 of 200, 20 are asked", 20, world{n: 200, lasts: 30 * time.Second, fails: first(100, 0)}, never(100, 1)},
	{"each run fails by chance, one half", 1, world{n: 10, lasts: 90 * time.Second, fails: chance(.5)}, never(3, 14)},
	{"two checks: one fails in 5, the other in 5", 2, world{n: 10, checks: []string{"database", "queue"}, lasts: 50 * time.Second, fails: func(m *member, check string, _ time.Duration) (time.Duration, error) {
		if (check == "database") == (m.n < 5) {
			return 0, errDown
		}
		return 0, nil
	}}, never(5, 2)},
	{"3 of 9 lose it and the others", 2, world{n: 9, lasts: 60 * time.Second, fails: first(3, time.Minute), dial: apart(3)}, both(never(6, 1), ends(6))},
	{"6 of 10 lose it and the others", 2, world{n: 10, lasts: 60 * time.Second, fails: first(6, time.Minute), dial: apart(6)}, never(9, 0)},
	{"halves that don't see each other, all lose it", 2, world{n: 10, lasts: 60 * time.Second, fails: first(10, 0), dial: apart(5)}, both(never(0, 1), ends(0))},
	{"1 of 10, and its peers are silent", 2, world{n: 10, lasts: 30 * time.Second, fails: first(1, 0), dial: apart(1)}, both(both(never(9, 1), ends(9)), leaves(5*time.Second))},
	{"all of 10, and answers take 0.9 s", 2, world{n: 10, lasts: 50 * time.Second, fails: first(10, 0), handle: func(*member, time.Duration, http.ResponseWriter, *http.Request) bool {
		time.Sleep(900 * time.Millisecond)
		return false
	}}, never(9, 0)},
	{"all of 10, and DNS is down", 2, world{n: 10, lasts: 60 * time.Second, fails: first(10, 0), lookup: func(time.Duration) error { return errSilent }}, never(9, 0)},
	{"all of 10, and one lies: it works", 2, world{n: 10, lasts: 50 * time.Second, fails: first(10, 0), handle: lie("pass")}, never(9, 0)},
	{"1 of 10, and one lies: it fails", 2, world{n: 10, lasts: 30 * time.Second, fails: first(1, 0), handle: lie("fail")}, both(never(9, 1), ends(9))},
	{"a second service of 10 has the same name", 2, world{n: 20, lasts: 30 * time.Second, fails: first(10, 0), configure: func(m *member, _ *Config) {
		if m.n >= 10 {
			m.service = "billing"
		}
	}}, never(19, 0)},
	{"10 of the new release lose what 10 of the old don't have", 4, world{n: 20, lasts: 60 * time.Second, fails: first(10, 0), configure: func(m *member, c *Config) {
		if m.n >= 10 {
			c.Checks[0].Name = "disk"
		}
	}}, both(never(10, 1), ends(10))},
	{"3 become 30 while all lose it, and 3 again", 10, world{n: 3, lasts: 120 * time.Second, fails: first(100, 0), life: func(f *peerFleet, at time.Duration) {
		switch at := at.Truncate(time.Second); {
		case at == 20*time.Second:
			f.scale(30)
		case at == 70*time.Second:
			f.scale(3)
		}
	}}, both(never(3, 0), ends(3))},
	{"a release that never works, 3 more at a time", 2, world{n: 10, lasts: 90 * time.Second, fails: broken, life: rollout(10, 3, 2)}, both(never(8, 0), ends(8))},
	{"a release that never works, 10 more at a time", 4, world{n: 10, lasts: 60 * time.Second, fails: broken, life: rollout(10, 10, 0)}, both(never(10, 0), ends(10))},
	{"a good release while all lose it", 10, world{n: 10, lasts: 150 * time.Second, fails: first(100, 0), life: rollout(10, 1, 0)}, both(never(9, 0), func(o, _ told) string {
		if o.late != 10 {
			return fmt.Sprintf("%d of the new release, want 10", o.late)
		}
		return ""
	})},
	{"1 of 2, and the other restarts again and again", 2, world{n: 2, lasts: 80 * time.Second, fails: first(1, 0), life: func(f *peerFleet, at time.Duration) {
		if s := at.Truncate(time.Second); s >= 20*time.Second && s%(10*time.Second) == 0 {
			old := f.members[len(f.members)-1]
			old.kill()
			f.startAt(0, 1, old.address)
		}
	}}, never(1, 1)},
	{"both of 2 lose it, and restart one after the other", 2, world{n: 2, lasts: 100 * time.Second, fails: first(100, 0), life: func(f *peerFleet, at time.Duration) {
		switch at.Truncate(time.Second) {
		case 20 * time.Second, 60 * time.Second:
			f.members[len(f.members)-2].kill()
		case 40 * time.Second, 80 * time.Second:
			f.start(0)
		}
	}}, both(never(1, 0), ends(2))},
	{"all of 3 lose it, and restart at their addresses, three times", 2, world{n: 3, lasts: 300 * time.Second, fails: first(100, 0), life: func(f *peerFleet, at time.Duration) {
		switch n := int(at / (30 * time.Second)); at.Truncate(time.Second) % (30 * time.Second) {
		case 0:
			if n < 9 {
				f.members[n].leave()
			}
		case 10 * time.Second:
			if n < 9 {
				f.startAt(0, n%3, f.members[n].address)
			}
		}
	}}, both(never(2, 0), ends(3))},
	{"all restart while all lose it", 2, world{n: 10, lasts: 60 * time.Second, fails: first(100, 0), life: func(f *peerFleet, at time.Duration) {
		if at.Truncate(time.Second) == 20*time.Second {
			for _, m := range slices.Clone(f.members) {
				m.kill()
				f.start(0)
			}
		}
	}}, ends(0)},
}
