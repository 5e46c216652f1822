package healthcheck

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	fleetSeeds = flag.Int("fleets", 1, "stories of each row of the table of fleets; fewer of the rows that take long")
	fleetFirst = flag.Uint64("fleet", 1, "seed of the first of these stories")
)

// A row is one line of the table in docs/failure-modes.md.
type row struct {
	what  string
	share int // of the stories: one of so many, because each takes long
	world world
	// want returns why an outcome with peers is wrong; empty if it is right.
	want func(o told) string
}

// heavy reports whether a story takes more than a second or two.
func (r *row) heavy() bool {
	return r.world.n >= 20 || r.world.life != nil || r.world.lasts > time.Minute
}

// never reports fewer ready instances than a number, or more changes of mind.
func never(fewest, changes int) func(told) string {
	return func(o told) string {
		switch {
		case o.fewest < fewest:
			return fmt.Sprintf("%d ready, want %d at least", o.fewest, fewest)
		case o.changes > changes:
			return fmt.Sprintf("%d changes of mind, want %d at most", o.changes, changes)
		}
		return ""
	}
}

// both joins two wishes.
func both(a, b func(told) string) func(told) string {
	return func(o told) string {
		if s := a(o); s != "" {
			return s
		}
		return b(o)
	}
}

// ends reports another number of ready instances at the end.
func ends(n int) func(told) string {
	return func(o told) string {
		if o.end != n {
			return fmt.Sprintf("%d ready at the end, want %d", o.end, n)
		}
		return ""
	}
}

// leaves reports an instance that is out later than after a time.
func leaves(within time.Duration) func(told) string {
	return func(o told) string {
		if o.lastOut > within {
			return fmt.Sprintf("the last one has left after %v, want %v at most", o.lastOut, within)
		}
		return ""
	}
}

type failing = func(m *member, check string, at time.Duration) (time.Duration, error)

// first fails the first k instances. took is the duration of a failing run.
func first(k int, took time.Duration) failing {
	return func(m *member, _ string, _ time.Duration) (time.Duration, error) {
		if m.n < k {
			return took, errDown
		}
		return 0, nil
	}
}

// during fails all within a time.
func during(from, to time.Duration) failing {
	return func(_ *member, _ string, at time.Duration) (time.Duration, error) {
		if at >= from && at < to {
			return 0, errDown
		}
		return 0, nil
	}
}

// later fails each instance at a random time within 30 s.
func later(m *member, _ string, at time.Duration) (time.Duration, error) {
	if at >= m.spread {
		return 0, errDown
	}
	return 0, nil
}

// flapping fails all for the first half of every period.
func flapping(period time.Duration) failing {
	return func(_ *member, _ string, at time.Duration) (time.Duration, error) {
		if at%period < period/2 {
			return 0, errDown
		}
		return 0, nil
	}
}

// chance fails each run with a probability.
func chance(p float64) failing {
	return func(m *member, _ string, _ time.Duration) (time.Duration, error) {
		m.f.mu.Lock()
		defer m.f.mu.Unlock()
		if m.f.random.Float64() < p {
			return 0, errDown
		}
		return 0, nil
	}
}

// apart cuts connections between the first k instances and the rest.
func apart(k int) func(from, to *member, at time.Duration) error {
	return func(from, to *member, _ time.Duration) error {
		if (from.n < k) != (to.n < k) {
			return errSilent
		}
		return nil
	}
}

// rollout replaces the instances by those of another release, as a Deployment does.
func rollout(n, surge, unavailable int) func(f *peerFleet, at time.Duration) {
	return func(f *peerFleet, at time.Duration) {
		if at < 10*time.Second {
			return
		}
		var old, fresh []*member
		ready := 0
		for _, m := range f.members {
			if _, over := m.over(); over || m.leaving {
				continue
			}
			if m.release == 0 {
				old = append(old, m)
			} else {
				fresh = append(fresh, m)
			}
			if m.ready {
				ready++
			}
		}
		for len(fresh) < n && len(old)+len(fresh) < n+surge {
			fresh = append(fresh, f.start(1))
		}
		for _, m := range old {
			if !m.ready || ready-1 >= n-unavailable {
				if m.ready {
					ready--
				}
				m.leave()
			}
		}
	}
}

// scale starts and ends instances until there are n.
func (f *peerFleet) scale(n int) {
	var here []*member
	for _, m := range f.members {
		if _, over := m.over(); !over && !m.leaving {
			here = append(here, m)
		}
	}
	for k := len(here); k < n; k++ {
		f.start(0)
	}
	for len(here) > n {
		here[len(here)-1].leave()
		here = here[:len(here)-1]
	}
}

// lie answers as if one instance had another state.
func lie(state string) func(m *member, at time.Duration, w http.ResponseWriter, r *http.Request) bool {
	return func(m *member, at time.Duration, w http.ResponseWriter, r *http.Request) bool {
		if m.n != 9 || at < 0 {
			return false
		}
		fmt.Fprintf(w, `{"peers":1,"instance":"%d-9","service":"orders","lifecycle":"running","state":%q,"admitted":true,"checks":{"database":{"worked":0}}}`, m.f.seed, state)
		return true
	}
}

const detection = 13 * time.Second // interval, and the first three failures with their time

var fleetRows = []row{
	{"all of 2 lose it", 1, world{n: 2, lasts: 30 * time.Second, fails: first(2, 0)}, never(1, 0)},
	{"all of 3 lose it", 1, world{n: 3, lasts: 30 * time.Second, fails: first(3, 0)}, never(2, 0)},
	{"all of 10 lose it", 1, world{n: 10, lasts: 30 * time.Second, fails: first(10, 0)}, never(9, 0)},
	{"all of 50 lose it", 4, world{n: 50, lasts: 20 * time.Second, fails: first(50, 0)}, never(49, 0)},
	{"all of 10, runs time out", 2, world{n: 10, lasts: 30 * time.Second, fails: first(10, time.Minute)}, never(9, 0)},
	{"all of 10, every 60 s", 2, world{n: 10, interval: time.Minute, lasts: 90 * time.Second, fails: first(10, 0)}, never(9, 0)},
	{"all of 10 for 30 s", 1, world{n: 10, lasts: 50 * time.Second, fails: during(0, 30*time.Second)}, both(never(9, 0), func(o told) string {
		if late := 30*time.Second + 5*time.Second + 2*time.Second; o.allPass < 0 || o.allPass > late {
			return fmt.Sprintf("all pass after %v, want %v at most", o.allPass, late)
		}
		return ""
	})},
	{"all of 10, one by one within 30 s", 2, world{n: 10, lasts: 70 * time.Second, fails: later}, both(never(5, 2), ends(10))},
	{"all of 10, on and off every 20 s", 2, world{n: 10, lasts: 100 * time.Second, fails: flapping(20 * time.Second)}, never(9, 0)},
	{"1 of 10", 1, world{n: 10, lasts: 30 * time.Second, fails: first(1, 0)}, both(both(never(9, 1), ends(9)), leaves(detection+5*time.Second))},
	{"1 of 10, every 60 s", 2, world{n: 10, interval: time.Minute, lasts: 90 * time.Second, fails: first(1, 0)}, both(both(never(9, 1), ends(9)), leaves(time.Minute+8*time.Second))},
	{"1 of 3", 1, world{n: 3, lasts: 30 * time.Second, fails: first(1, 0)}, both(both(never(2, 1), ends(2)), leaves(detection+5*time.Second))},
	{"1 of 2", 1, world{n: 2, lasts: 30 * time.Second, fails: first(1, 0)}, both(both(never(1, 1), ends(1)), leaves(detection+5*time.Second))},
	{"3 of 10", 1, world{n: 10, lasts: 40 * time.Second, fails: first(3, 0)}, both(never(7, 1), ends(7))},
	{"4 of 10", 1, world{n: 10, lasts: 40 * time.Second, fails: first(4, 0)}, both(never(6, 1), ends(6))},
	{"5 of 10", 1, world{n: 10, lasts: 40 * time.Second, fails: first(5, 0)}, both(never(5, 1), ends(5))},
	{"6 of 10", 1, world{n: 10, lasts: 40 * time.Second, fails: first(6, 0)}, never(4, 1)},
	{"100 of 200, 20 are asked", 20, world{n: 200, lasts: 30 * time.Second, fails: first(100, 0)}, never(100, 1)},
	{"each run fails by chance, one half", 2, world{n: 10, lasts: 90 * time.Second, fails: chance(.5)}, nil},
	{"two checks: one fails in 5, the other in 5", 2, world{n: 10, checks: []string{"database", "queue"}, lasts: 50 * time.Second, fails: func(m *member, check string, _ time.Duration) (time.Duration, error) {
		if (check == "database") == (m.n < 5) {
			return 0, errDown
		}
		return 0, nil
	}}, never(5, 2)},
	{"3 of 9 lose it and the others", 2, world{n: 9, lasts: 60 * time.Second, fails: first(3, time.Minute), dial: apart(3)}, both(never(6, 1), ends(6))},
	{"6 of 10 lose it and the others", 2, world{n: 10, lasts: 60 * time.Second, fails: first(6, time.Minute), dial: apart(6)}, never(9, 0)},
	{"halves that don't see each other, all lose it", 2, world{n: 10, lasts: 60 * time.Second, fails: first(10, 0), dial: apart(5)}, nil},
	{"1 of 10, and its peers are silent", 2, world{n: 10, lasts: 30 * time.Second, fails: first(1, 0), dial: apart(1)}, both(both(never(9, 1), ends(9)), leaves(detection+5*time.Second))},
	{"all of 10, and answers take 0.9 s", 2, world{n: 10, lasts: 50 * time.Second, fails: first(10, 0), handle: func(*member, time.Duration, http.ResponseWriter, *http.Request) bool {
		time.Sleep(900 * time.Millisecond)
		return false
	}}, never(9, 0)},
	{"all of 10, and DNS", 2, world{n: 10, lasts: 60 * time.Second, fails: first(10, 0), lookup: func(time.Duration) error { return errSilent }}, never(9, 0)},
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
	{"a good release while all lose it", 10, world{n: 10, lasts: 150 * time.Second, fails: first(100, 0), life: rollout(10, 1, 0)}, both(never(9, 0), func(o told) string {
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

func broken(m *member, _ string, _ time.Duration) (time.Duration, error) {
	if m.release > 0 {
		return 0, errDown
	}
	return 0, nil
}

// summary is a row's outcome of all stories, with peers or without.
type summary struct {
	seeds, fewest, leastEnd, mostEnd, changes int
	lastOut                                   time.Duration
}

func (s *summary) add(o told) {
	if s.seeds++; s.seeds == 1 {
		*s = summary{1, o.fewest, o.end, o.end, o.changes, o.lastOut}
		return
	}
	s.fewest, s.leastEnd, s.mostEnd = min(s.fewest, o.fewest), min(s.leastEnd, o.end), max(s.mostEnd, o.end)
	s.changes, s.lastOut = max(s.changes, o.changes), max(s.lastOut, o.lastOut)
}

func (s *summary) cells() string {
	end, out := strconv.Itoa(s.leastEnd), "–"
	if s.mostEnd > s.leastEnd {
		end += " to " + strconv.Itoa(s.mostEnd)
	}
	if s.lastOut >= 0 {
		out = fmt.Sprintf("%.1f s", s.lastOut.Seconds())
	}
	return fmt.Sprintf("%d | %s | %d | %s", s.fewest, end, s.changes, out)
}

// within returns how a summary of fewer stories is not within the cells of the table.
func (s *summary) within(cells string) string {
	numbers := regexp.MustCompile(`\d+`).FindAllString(cells, -1)
	var n []int
	for _, text := range numbers {
		i, _ := strconv.Atoi(text)
		n = append(n, i)
	}
	if strings.Contains(cells, " to ") {
		n = slices.Delete(n, 1, 2)
		if s.mostEnd > n[1] {
			return fmt.Sprintf("%d ready at the end", s.mostEnd)
		}
	}
	switch {
	case s.fewest < n[0]:
		return fmt.Sprintf("%d ready", s.fewest)
	case s.changes > n[2]:
		return fmt.Sprintf("%d changes of mind", s.changes)
	}
	return ""
}

const fleetPage = "../docs/failure-modes.md"

// TestFleets tells each story with peers and without. The table in docs/failure-modes.md has the worst
// of each row's stories. This makes it again:
//
//	go test -run TestFleets -timeout 3h -fleets 200 -update .
//
// An outcome depends on its seed. One story again: -run 'TestFleets/ROW' -fleets 1 -fleet SEED.
func TestFleets(t *testing.T) {
	page, err := os.ReadFile(fleetPage)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, r := range fleetRows {
		t.Run(r.what, func(t *testing.T) {
			var sums [2]summary // without, and with peers
			seeds := max(1, *fleetSeeds/r.share)
			if r.heavy() && *fleetSeeds < 20 {
				t.Log("only with -fleets 20 or more, because its stories take long")
				return
			}
			for n := range seeds {
				seed := *fleetFirst + uint64(n)
				for with := range sums {
					o := tell(t, r.world, seed, with == 1, nil)
					sums[with].add(o)
					if with == 1 && r.want != nil {
						if problem := r.want(o); problem != "" {
							t.Errorf("%s: again with -fleets 1 -fleet %d", problem, seed)
						}
					}
				}
			}
			line := fmt.Sprintf("| %s | %d | %s | %s |\n", r.what, seeds, sums[0].cells(), sums[1].cells())
			table.WriteString(line)
			t.Log(line)
			if *update || r.share > 2 {
				return // few stories are no bounds
			}
			found := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(r.what) + ` \|(.*)\|$`).FindSubmatch(page)
			if found == nil {
				t.Fatalf("%s has no such row", fleetPage)
			}
			cells := strings.SplitN(string(found[1]), "|", 6)[1:]
			for with, theirs := range []string{strings.Join(cells[:4], "|"), cells[4]} {
				if problem := sums[with].within(theirs); problem != "" {
					t.Errorf("peers %v: %s, and the table has %s", with == 1, problem, theirs)
				}
			}
		})
	}
	if *update {
		head := "| what happens | stories | fewest ready | at the end | changes | last out | with peers: fewest ready | at the end | changes | last out |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
		between := regexp.MustCompile(`(?s)(<!-- fleets -->\n).*(<!-- end -->)`)
		page = between.ReplaceAll(page, []byte("${1}"+head+table.String()+"${2}"))
		if err := os.WriteFile(fleetPage, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
