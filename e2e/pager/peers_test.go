package pager

import (
	"strings"
	"testing"
	"time"
)

// TestPeers: with Config.Peers the same faults page, and not later. HealthPanic pages in the place of
// HealthNoReadyInstance. So no fault goes unnoticed because instances stay ready.
func TestPeers(t *testing.T) {
	if *given != "" || *only != "" {
		t.Skip("only the table")
	}
	by := map[string]scene{}
	for _, s := range scenes() {
		by[s.name] = s
	}
	for _, name := range []string{"database", "ready-flaps"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			without, with := by[name], by[name+"-peers"]
			want, got := play(t, dialects[0], without.pack(), few).heard[name], play(t, dialects[0], with.pack(), few).heard[with.name]
			if w := strings.ReplaceAll(want.alerts(), "HealthNoReadyInstance", "HealthPanic"); w == "" || w != got.alerts() {
				t.Errorf("without peers: %s; with them: %s", want.alerts(), got.alerts())
			}
			if w, g := want.first(), got.first(); g > w {
				t.Errorf("the first page without peers at %s, with them at %s", clock(w), clock(g))
			}
		})
	}
}

// first is when the first page is heard.
func (h heard) first() time.Duration {
	at := time.Duration(1 << 62)
	for _, x := range h {
		if x.page {
			at = min(at, x.began[0])
		}
	}
	return at
}
