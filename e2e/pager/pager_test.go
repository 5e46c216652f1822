package pager

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
)

const (
	root = "../.."
	few  = 10
	many = 200
)

// rules are generated once for each dialect.
var generated = struct {
	sync.Mutex
	dirs map[string]string
}{dirs: map[string]string{}}

func rulesOf(t *testing.T, d dialect) string {
	t.Helper()
	generated.Lock()
	defer generated.Unlock()
	if dir := generated.dirs[d.name]; dir != "" {
		return dir
	}
	if *given != "" && d.name == "default" {
		return *given
	}
	dir, err := os.MkdirTemp(scratch, d.name)
	if err != nil {
		t.Fatal(err)
	}
	gen := exec.Command("go", append([]string{"run", ".", "-only", "rules", "-out", dir}, d.args...)...)
	gen.Dir = filepath.Join(root, "grafana", "gen")
	if out, err := gen.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", d.args, err, out)
	}
	generated.dirs[d.name] = filepath.Join(dir, "alerts")
	return generated.dirs[d.name]
}

var scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if scratch, err = os.MkdirTemp("", "pager"); err != nil {
		panic(err)
	}
	debug.SetGCPercent(800) // many short queries
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// A pack is the scenes of one world. Each has a service of its own.
type pack []scene

// packs puts the scenes together that don't disturb each other, because rules cost most by their
// number.
func packs() (list []pack) {
	var together pack
	for _, s := range scenes() {
		if s.alone {
			list = append(list, pack{s})
		} else {
			together = append(together, s)
		}
	}
	return append([]pack{together}, list...)
}

func (p pack) name() string {
	if len(p) > 1 {
		return "together"
	}
	return p[0].name
}

// played are the results of packs, because several tests need the same.
var played sync.Map

type result struct {
	sync.Once
	heard map[string]heard // by scene
	ended time.Duration
}

// play runs the scenes of a pack, once for all tests.
func play(t *testing.T, d dialect, p pack, v variant, n int) *result {
	t.Helper()
	known, _ := played.LoadOrStore(fmt.Sprint(d.name, p.name(), v, n), &result{})
	r := known.(*result)
	r.Do(func() { r.perform(t, d, p, v, n) })
	if r.heard == nil {
		t.Fatal("it failed in another test")
	}
	return r
}

func (r *result) perform(t *testing.T, d dialect, p pack, v variant, n int) {
	t.Helper()
	dir := rulesOf(t, d)
	in, err := readInstruments(root)
	if err != nil {
		t.Fatal(err)
	}
	am, err := newAlertmanager(filepath.Join(dir, "alertmanager", "alertmanager.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{dialect: d, instruments: in, scraped: v.way == scraped, drain: 35 * time.Second, clusters: []string{"", ""}, early: warm}
	if v.bad {
		w.early += 6 * time.Minute
	}
	heards := map[string]heard{}
	for _, s := range p {
		heards[s.name] = heard{}
		before := w.pods
		w.pods = nil
		s.build(w, n)
		if v.bad {
			bad := pods(1, w.pods[0].job, within(-w.early+time.Minute, forever, failing))[0]
			bad.id, bad.name, bad.cluster = "uid-bad.app", "app-bad", w.pods[0].cluster
			w.pods = append(w.pods, bad)
		}
		for _, pod := range w.pods {
			if len(p) > 1 {
				pod.job = "shop/" + s.name
			}
			if d.group != "" && !s.clusters { // one cluster of several
				pod.cluster, w.clusters = "west", []string{"west", "west"}
			}
		}
		w.pods = append(before, w.pods...)
		w.over, w.until = max(w.over, s.over), max(w.until, s.last())
	}
	if len(p) > 1 { // some never fall quiet
		w.until = w.over + 15*time.Minute
	}
	if w.server, err = newServer(t.TempDir(), filepath.Join(dir, "otelhealth.yaml")); err != nil {
		t.Fatal(err)
	}
	defer w.server.db.Close()
	if err := w.run(am, func(list []delivery, now time.Duration) {
		for _, s := range p {
			heards[s.name].listen(slices.DeleteFunc(slices.Clone(list), func(d delivery) bool {
				job := string(d.labels["job"])
				return len(p) > 1 && job != "" && job != "shop/"+s.name
			}), now)
		}
	}); err != nil {
		t.Fatal(err)
	}
	r.heard, r.ended = heards, w.ended
}

func (s scene) last() time.Duration {
	switch {
	case s.until != 0:
		return s.until
	case s.over != 0:
		return s.over + 45*time.Minute
	}
	return 30 * time.Minute
}

// ways are the ways of the data that a scene has.
func (s scene) ways() []way {
	if s.only != "" {
		return []way{s.only}
	}
	return []way{pushed, scraped}
}

func (p pack) variants() (list []variant) {
	for _, w := range p[0].ways() {
		list = append(list, variant{w, false})
	}
	if len(p) == 1 && p[0].over > 2*time.Hour { // it is about long windows, and they don't depend on the way
		return list[:1]
	}
	return append(list, variant{list[0].way, true})
}

// TestPager plays every scene with the default names, and compares what is heard with the table.
func TestPager(t *testing.T) {
	const page = root + "/docs/alerts.md"
	rows := map[string]row{}
	var lock sync.Mutex
	var took time.Duration
	var list []scene
	for _, s := range scenes() {
		if *given == "" || !s.clusters {
			list = append(list, s)
			rows[s.name] = row{}
		}
	}
	missing := 0
	t.Run("scenes", func(t *testing.T) {
		for _, p := range packs() {
			d := dialects[0]
			if p[0].clusters {
				if *given != "" {
					continue
				}
				d = dialects[2]
			}
			for _, v := range p.variants() {
				missing++
				t.Run(fmt.Sprint(p.name(), "/", v.way, "/", v.bad), func(t *testing.T) {
					t.Parallel()
					begun := time.Now()
					r := play(t, d, p, v, few)
					lock.Lock()
					defer lock.Unlock()
					missing--
					took += time.Since(begun)
					for _, s := range p {
						h := r.heard[s.name]
						rows[s.name][v] = h.lines(r.ended)
						t.Logf("%s: %q", s.name, rows[s.name][v])
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
	t.Logf("%d scenes, %v of %d processors", len(list), took.Round(time.Second), runtime.GOMAXPROCS(0))
	got := table(list, rows)
	if *given != "" {
		fmt.Print(got)
		return
	}
	if missing > 0 {
		return // -run chose some
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table -->\n", "<!-- /table -->\n"
	head, rest, _ := strings.Cut(string(text), begin)
	want, foot, ok := strings.Cut(rest, end)
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

// TestStorm plays what befalls everybody with 200 pods. The number of pods must not change who is
// woken, and by what.
func TestStorm(t *testing.T) {
	if *given != "" {
		t.Skip("of other rules only the table")
	}
	for _, s := range scenes() {
		if !s.storm || s.over > time.Hour {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			v := variant{s.ways()[0], false}
			h := play(t, dialects[0], pack{s}, v, many).heard[s.name]
			for _, problem := range h.excess(s, false) {
				t.Error(problem)
			}
			if got, want := h.alerts(), play(t, dialects[0], s.pack(), v, few).heard[s.name].alerts(); got != want {
				t.Errorf("%d pods: %s, %d pods: %s", many, got, few, want)
			}
		})
	}
}

// pack is the pack that has the scene.
func (s scene) pack() pack {
	for _, p := range packs() {
		if slices.ContainsFunc(p, func(x scene) bool { return x.name == s.name }) {
			return p
		}
	}
	return nil
}

// TestDialects plays most scenes with each naming. The same must be heard.
func TestDialects(t *testing.T) {
	if *given != "" {
		t.Skip("of other rules only the table")
	}
	chosen := []string{"together", "killed", "successor-killed", "collector-2min", "catch-up", "cut-off", "delta", "others"}
	for _, p := range packs() {
		if !slices.Contains(chosen, p.name()) {
			continue
		}
		for _, d := range dialects[1:] {
			t.Run(p.name()+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				v := p.variants()[0]
				got, want := play(t, d, p, v, few), play(t, dialects[0], p, v, few)
				for _, s := range p {
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
