package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/absence.txt instead of comparing it")

var boards = []string{"health-fleet", "health-service", "health-check", "health-slo", "health-telemetry"}

// started plays a scene of one service with three pods.
func started(t *testing.T, name string) *store {
	t.Helper()
	sc, err := sceneOf(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.TempDir(), rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	w := &world{began: ago(100 * time.Minute)}
	sc.build(w, []service{{"shop/orders", "2.3.0", 3, 6, .045}})
	if err := w.play(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// good are the colours of health.
var good = regexp.MustCompile(`\bgreen\b`)

// ofOthers are panels about the collectors, which live in every scene.
func ofOthers(board string, p panel) bool {
	return board == "health-telemetry" && (p.ID >= 20 || p.ID == 4)
}

// TestAbsence compares with a file what each panel shows if its service is dead, if it has no traffic, and if it
// never existed. No panel may show health for a service that is dead or never existed. A panel that shows health
// for a living service must show something else for these two.
func TestAbsence(t *testing.T) {
	said := map[string]map[string]string{} // by panel and scene
	var order []string
	for _, name := range []string{"no-traffic", "dead", "never"} {
		s := started(t, name)
		for _, uid := range boards {
			b, err := readBoard(filepath.Join(dashboards, uid+".json"))
			if err != nil {
				t.Fatal(err)
			}
			v := view{store: s, end: now, span: time.Hour, vars: map[string]string{}}
			if err := v.choose(b); err != nil {
				t.Fatal(err)
			}
			for _, p := range b.all() {
				entries, err := v.shown(p)
				if err != nil {
					t.Errorf("%s: %s: %v", name, uid, err)
					continue
				}
				where := fmt.Sprintf("%s/%d %s", uid, p.ID, p.Title)
				if said[where] == nil {
					said[where] = map[string]string{}
					order = append(order, where)
				}
				var texts []string
				for _, e := range entries {
					texts = append(texts, e.text)
					if name != "no-traffic" && !ofOthers(uid, p) && good.MatchString(e.colour) {
						t.Errorf("%s: %s shows %q in green", name, where, e.text)
					}
				}
				slices.Sort(texts)
				said[where][name] = strings.Join(texts, " | ")
			}
		}
	}
	var text strings.Builder
	text.WriteString("# What each panel shows at the end of an hour, for one service with three pods: if it lives and has no\n# traffic, if it was killed half an hour ago, and if it never was. TestAbsence -update writes it.\n")
	for _, where := range order {
		fmt.Fprintf(&text, "\n%s\n", where)
		for _, name := range []string{"no-traffic", "dead", "never"} {
			fmt.Fprintf(&text, "  %-10s %s\n", name, said[where][name])
		}
	}
	const path = "testdata/absence.txt"
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := text.String(); got != string(want) {
		a, b := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for n := range min(len(a), len(b)) {
			if a[n] != b[n] {
				t.Fatalf("line %d\n have %s\n want %s\n(-update writes the file)", n+1, a[n], b[n])
			}
		}
		t.Fatal("the file has another length")
	}
}
