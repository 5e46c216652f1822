package healthcheck

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var (
	chances     = flag.Int("chances", 3, "stories of TestFleetsByChance")
	chanceFirst = flag.Uint64("chance", 1, "seed of the first of these stories")
	chanceFor   = flag.Duration("chancefor", 0, "tell stories until this time has passed; all are told, and the wrong ones are printed")
)

// A scene is what is broken at one time. Nobody changes it.
type scene struct {
	lost   map[place]loss
	links  map[[2]int]error // from one slot to another
	slow   map[int]time.Duration
	lies   map[int]string
	dns    string       // how names are wrong; empty if they are right
	old    []netip.Addr // of the last lookup before names were wrong
	broken bool         // releases with odd numbers lack the first check's dependency
}

type place struct {
	slot  int
	check string
}

// A loss is how a dependency is lost.
type loss struct {
	took   time.Duration // of a run
	period time.Duration // it is lost for the first half of each; 0 for always
	share  float64       // of the runs that fail; 0 for all
}

func (l loss) steady() bool { return l.period == 0 && l.share == 0 }

// story is a fleet, and all that happens to it.
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
	told     []string // what has happened
	problems []string
	virtual  time.Duration
	empty    time.Duration // nobody was ready, although somebody was before
	fewest   int           // ready of late
	settled  bool          // nothing has changed for long
	minds    map[*member]int
	quiet    time.Time // nothing has happened since
	last     time.Time // the last change of mind
	known    sync.Map  // by instance: the addresses that DNS has told it
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

// later does something after a time.
func (s *story) later(d time.Duration, do func()) {
	s.plan = append(s.plan, planned{time.Now().Add(d), do})
	s.quiet = time.Now()
}

// tellByChance tells the story of a seed.
func tellByChance(t *testing.T, seed uint64) (s *story) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 2))
		s = &story{t: t, r: r, minds: map[*member]int{}}
		s.now.Store(newScene())
		sizes := []int{2, 2, 3, 3, 4, 5, 7, 10, 12}
		n := sizes[r.IntN(len(sizes))]
		s.interval = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute}[r.IntN(6)]
		s.timeout = min(s.interval, []time.Duration{time.Second, 2 * time.Second, 5 * time.Second}[r.IntN(3)])
		s.checks = []string{"database", "queue", "cache"}[:1+r.IntN(3)*r.IntN(2)]
		foreign := 0
		if r.IntN(8) == 0 {
			foreign = 1 + r.IntN(n)
		}
		lacks := r.IntN(8) == 0 && len(s.checks) > 1
		usual := time.Duration(1+r.IntN(300)) * time.Millisecond
		w := world{n: n + foreign, interval: s.interval, checks: s.checks}
		w.configure = func(m *member, c *Config) {
			for k := range c.Checks {
				name := c.Checks[k].Name
				c.Checks[k].Timeout = s.timeout
				c.Checks[k].Func = s.run(m, name, usual)
			}
			if lacks && m.slot%3 == 0 {
				c.Checks = c.Checks[1:]
			}
			if m.slot >= n && m.slot < n+foreign {
				m.service = "billing"
			}
		}
		w.dial = func(from, to *member, _ time.Duration) error { return s.now.Load().links[[2]int{from.slot, to.slot}] }
		w.handle = s.handle
		w.names = s.names
		w.lookup = func(time.Duration) error {
			switch s.now.Load().dns {
			case "error":
				return errDown
			case "silent":
				return errSilent
			}
			return nil
		}
		s.f = newPeerFleet(t, w, seed, true)
		s.slots = slices.Clone(s.f.members)
		s.f.watch()
		s.say("%d instances and %d of another service, %d checks every %v, within %v, a run takes %v; some lack a check: %v",
			n, foreign, len(s.checks), s.interval, s.timeout, usual, lacks)
		for range 1 + r.IntN(4) {
			s.act()
		}
		s.end()
		for _, m := range s.f.members {
			m.kill()
		}
		time.Sleep(2 * time.Minute) // until all handlers and runs have returned
		s.virtual = s.f.at()
	})
	return s
}

// settling is the time after which a decision can't depend on the past.
func (s *story) settling() time.Duration { return s.interval + 3*s.timeout + 75*time.Second }

// act does some things at once or soon after each other, and waits until all is settled.
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

// running reports whether something is planned.
func (s *story) running() bool { return len(s.plan) > 0 }

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

func (s *story) changes() (n int) {
	for _, m := range s.f.members {
		n += m.changes
	}
	return n
}

// tick lets time pass, and looks at everybody every 100 ms.
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

// watch looks at one instance: what is always true.
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

// TestFleetsByChance tells stories of any faults in any order, and compares each instance with the rule
// of docs/peers.md. A search, and one story again with all that happens:
//
//	go test -run TestFleetsByChance -timeout 3h -chancefor 1h .
//	go test -run TestFleetsByChance -chances 1 -chance SEED -v .
func TestFleetsByChance(t *testing.T) {
	began, seed, virtual, empty := time.Now(), *chanceFirst, time.Duration(0), time.Duration(0)
	n := 0
	for ; n < *chances || time.Since(began) < *chanceFor; n++ {
		s := tellByChance(t, seed)
		virtual, empty = virtual+s.virtual, empty+s.empty
		if len(s.problems) > 0 {
			t.Errorf("seed %d:\n%s\n%s", seed, strings.Join(s.problems, "\n"), strings.Join(s.told, "\n"))
			if *chanceFor > 0 {
				fmt.Printf("seed %d: %s\n", seed, strings.Join(s.problems, "\n    "))
			}
		}
		seed++
	}
	sum := fmt.Sprintf("%d stories of %.1f h; for %.2f h nobody was ready", n, virtual.Hours(), empty.Hours())
	t.Log(sum)
	if *chanceFor > 0 {
		fmt.Println(sum)
	}
}
