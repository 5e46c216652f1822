package pager

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	update = flag.Bool("update", false, "write docs/alerts.md")
	given  = flag.String("rules", "", "`directory` of other rules, to print their table")
	only   = flag.String("scene", "", "the `names` of scenes to play alone, and to print their texts")
	full   = flag.Bool("full", false, "every scene by both ways, with a bad pod and with each naming, and the storm with 200 pods")
)

const (
	root = "../.."
	few  = 10
	more = 24
	many = 200 // with -full
)

var scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if scratch, err = os.MkdirTemp("", "pager"); err != nil {
		panic(err)
	}
	debug.SetGCPercent(1600) // many short queries
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// TestPager plays every scene with the default names, and compares what is heard with the table.
func TestPager(t *testing.T) {
	const page = root + "/docs/alerts.md"
	rows := map[string]row{}
	var lock sync.Mutex
	var list []scene
	for _, s := range scenes() {
		if (*given == "" || !s.clusters) && s.chosen() {
			list = append(list, s)
			rows[s.name] = row{}
		}
	}
	t.Run("scenes", func(t *testing.T) {
		for _, v := range []variant{{pushed, false}, {scraped, false}, {pushed, true}, {scraped, true}} {
			for _, p := range packs(v, func(s scene) bool { return rows[s.name] != nil && s.plays(v) }) {
				d := dialects[0]
				if p.scenes[0].clusters {
					d = dialects[2]
				}
				t.Run(fmt.Sprint(p.name, "/", v.way, "/", v.bad), func(t *testing.T) {
					t.Parallel()
					r := play(t, d, p, few)
					lock.Lock()
					defer lock.Unlock()
					for _, s := range p.scenes {
						h := r.heard[s.name]
						rows[s.name][v] = h.lines(r.ended)
						t.Logf("%s: %q", s.name, rows[s.name][v])
						if *only != "" {
							t.Logf("%s", strings.Join(h.texts(), "\n"))
						}
						if *given == "" {
							for _, problem := range h.excess(s, v.bad) {
								t.Errorf("%s: %s", s.name, problem)
							}
						}
					}
				})
			}
		}
	})
	if *given != "" || *only != "" {
		fmt.Print(table(list, rows, map[string][]string{}))
		return
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table -->\n", "<!-- /table -->\n"
	head, rest, _ := strings.Cut(string(text), begin)
	want, foot, ok := strings.Cut(rest, end)
	got := table(list, rows, cells(want)) // what is not played stays
	switch {
	case !ok:
		t.Fatalf("%s has no %s", page, begin)
	case *update:
		if err := os.WriteFile(page, []byte(head+begin+got+end+foot), 0o644); err != nil {
			t.Fatal(err)
		}
	case got != want:
		t.Errorf("docs/alerts.md differs; read the diff after go test -run TestPager -update\n%s", differing(want, got))
	}
}

// chosen reports whether the flag chooses the scene.
func (s scene) chosen() bool {
	return *only == "" || slices.Contains(strings.Split(*only, ","), s.name)
}

// TestStorm plays what befalls many pods with more of them. The number of pods must not change who
// is woken, and by what.
func TestStorm(t *testing.T) {
	if *given != "" || *only != "" {
		t.Skip("only the table")
	}
	n := more
	if *full {
		n = many
	}
	for _, v := range []variant{{pushed, false}, {scraped, false}} {
		for _, p := range packs(v, func(s scene) bool {
			return s.storm && s.over <= time.Hour && v == s.base() && (*full || s.cheap())
		}) {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				got := play(t, dialects[0], p, n)
				for _, s := range p.scenes {
					h := got.heard[s.name]
					for _, problem := range h.excess(s, false) {
						t.Errorf("%s: %s", s.name, problem)
					}
					if got, want := h.alerts(), play(t, dialects[0], s.pack(), few).heard[s.name].alerts(); got != want {
						t.Errorf("%s: %d pods: %s, %d pods: %s", s.name, n, got, few, want)
					}
				}
			})
		}
	}
}

// pack is the pack of TestPager that has the scene.
func (s scene) pack() pack {
	for _, p := range packs(s.base(), func(x scene) bool { return x.plays(s.base()) }) {
		if slices.ContainsFunc(p.scenes, func(x scene) bool { return x.name == s.name }) {
			return p
		}
	}
	panic("no pack has " + s.name)
}

// TestDialects plays scenes with each naming. The same must be heard.
func TestDialects(t *testing.T) {
	if *given != "" || *only != "" {
		t.Skip("only the table")
	}
	for _, p := range packs(variant{pushed, false}, func(s scene) bool { return !s.clusters && (s.naming || *full) }) {
		for _, d := range dialects[1:] {
			t.Run(p.name+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				got := play(t, d, p, few)
				for _, s := range p.scenes {
					want := play(t, dialects[0], s.pack(), few)
					if got, want := got.heard[s.name].lines(got.ended), want.heard[s.name].lines(want.ended); !slices.Equal(got, want) {
						t.Errorf("%s: heard %q, with the default names %q", s.name, got, want)
					}
				}
			})
		}
	}
}

// differing are the lines that only one of the two has.
func differing(want, got string) string {
	var b strings.Builder
	for _, side := range []struct{ sign, one, other string }{{"- ", want, got}, {"+ ", got, want}} {
		for line := range strings.Lines(side.one) {
			if !strings.Contains(side.other, line) {
				b.WriteString(side.sign + line)
			}
		}
	}
	return b.String()
}
