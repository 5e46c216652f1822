package pager

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
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
	gen := exec.Command("go", append([]string{"run", ".", "generate", "--only", "rules", "--out", dir}, d.args...)...)
	gen.Dir = filepath.Join(root, "cmd", "otelhealth")
	if out, err := gen.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", d.args, err, out)
	}
	generated.dirs[d.name] = filepath.Join(dir, "alerts")
	return generated.dirs[d.name]
}

// A pack is the scenes of one world. Each has a service of its own.
type pack struct {
	name   string
	v      variant
	scenes []scene
}

func (p pack) together() bool { return len(p.scenes) > 1 }

// packs combines scenes that don't disturb each other, because the number of evaluated rules costs most. Short and
// long scenes are in different packs, because pods cost time as long as their world lasts.
func packs(v variant, chosen func(scene) bool) (list []pack) {
	var short, long, hours, silent []scene
	for _, s := range scenes() {
		switch {
		case !s.has(v) || !chosen(s):
		case s.alone:
			list = append(list, pack{s.name, v, []scene{s}})
		case s.silent:
			silent = append(silent, s)
		case s.over > 2*time.Hour:
			hours = append(hours, s)
		case s.brief():
			short = append(short, s)
		default:
			long = append(long, s)
		}
	}
	for pair := range slices.Chunk(silent, 2) {
		list = append(list, pack{"silent-" + pair[0].name, v, pair})
	}
	for _, p := range []pack{{"short", v, short}, {"long", v, long}, {"hours", v, hours}} {
		if len(p.scenes) > 0 {
			list = append([]pack{p}, list...) // the longest first
		}
	}
	return list
}

func (s scene) brief() bool { return s.together() <= 45*time.Minute }

// together is how long to listen to the scene in a pack. With several scenes it is never quiet, so there is no
// earlier end.
func (s scene) together() time.Duration {
	if s.over == 0 {
		return s.last()
	}
	return s.over + 15*time.Minute
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

// plays reports whether the variant is played without -full.
func (s scene) plays(v variant) bool {
	switch {
	case *full || v == s.base():
		return true
	case v.bad:
		return s.cheap()
	}
	return s.ends && !s.alone && !s.silent
}

// cheap scenes are short, and have no world of their own.
func (s scene) cheap() bool { return !s.alone && !s.silent && s.brief() }

// played are the results of packs, because several tests need the same.
var played sync.Map

type result struct {
	sync.Once
	heard map[string]heard // by scene
	ended time.Duration
}

// play runs the scenes of a pack, once for all tests.
func play(t *testing.T, d dialect, p pack, n int) *result {
	t.Helper()
	key := fmt.Sprint(d.name, p.v, n)
	for _, s := range p.scenes {
		key += " " + s.name
	}
	known, _ := played.LoadOrStore(key, &result{})
	r := known.(*result)
	r.Do(func() { r.perform(t, d, p, n) })
	if r.heard == nil {
		t.Fatal("it failed in another test")
	}
	return r
}

func (r *result) perform(t *testing.T, d dialect, p pack, n int) {
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
	w := &world{dialect: d, instruments: in, scraped: p.v.way == scraped, coarse: p.together(), clusters: []string{"", ""}, early: warm}
	if p.v.bad {
		w.early += 6 * time.Minute
	}
	heards := map[string]heard{}
	for _, s := range p.scenes {
		heards[s.name] = heard{}
		before := w.pods
		w.pods = nil
		s.build(w, n)
		if p.v.bad {
			bad := pods(1, w.pods[0].job, within(-w.early+time.Minute, forever, failing))[0]
			bad.id, bad.name, bad.cluster = "uid-bad.app", "app-bad", w.pods[0].cluster
			bad.cut, bad.minutely, bad.drain = w.pods[0].cut, w.pods[0].minutely, w.pods[0].drain
			w.pods = append(w.pods, bad)
		}
		for _, pod := range w.pods {
			if p.together() {
				pod.job = "shop/" + s.name
			}
			if d.group != "" && !s.clusters { // one cluster of several
				pod.cluster, w.clusters = "west", []string{"west", "west"}
			}
		}
		w.pods = append(before, w.pods...)
		w.ends = append(w.ends, s.over)
		if w.over = max(w.over, s.over); p.together() {
			w.until = max(w.until, s.together())
		} else {
			w.until = s.last()
		}
	}
	if w.server, err = newServer(t.TempDir(), filepath.Join(dir, "otelhealth.yaml")); err != nil {
		t.Fatal(err)
	}
	defer w.server.db.Close()
	if err := w.run(am, func(list []delivery, now time.Duration) {
		for _, s := range p.scenes {
			heards[s.name].listen(slices.DeleteFunc(slices.Clone(list), func(d delivery) bool {
				job := string(d.labels["job"])
				return p.together() && job != "" && job != "shop/"+s.name
			}), now)
		}
	}); err != nil {
		t.Fatal(err)
	}
	r.heard, r.ended = heards, w.ended
}
