package healthcheck

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	chances     = flag.Int("chances", 1, "stories of TestFleetsByChance")
	chanceFirst = flag.Uint64("chance", 1, "seed of the first of these stories")
	chanceFor   = flag.Duration("chancefor", 0, "tell stories until this time has passed; all are told, and the wrong ones are printed")
)

// tellByChance runs the story of a seed, and checks it.
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

// TestFleetsByChance runs stories with random faults in random order, and compares each instance with the rule of
// docs/peers.md. The first command searches for an hour, the second one repeats one story and prints all events:
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
