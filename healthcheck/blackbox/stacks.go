package blackbox

import (
	"fmt"
	"slices"
	"strings"
)

const (
	groupLimit = 300 // groups of goroutines in a record
	labelLimit = 256 // bytes of all labels of a goroutine
)

// writeGoroutines writes first the groups of workers and of goroutines that these started, then the others.
func (i *incident) writeGoroutines(w *bounded) {
	if !i.census.taken {
		fmt.Fprintf(w, "more than %d are not looked at\n", censusLimit)
		return
	}
	all := slices.Clone(i.census.groups)
	slices.SortStableFunc(all, func(a, b group) int {
		switch {
		case a.ofWorker() == b.ofWorker():
			return 0
		case a.ofWorker():
			return -1
		}
		return 1
	})
	for _, g := range all[:min(groupLimit, len(all))] {
		wait := waitOf(g.frames)
		if wait == "" {
			wait = "running"
		}
		fmt.Fprintf(w, "\n%d (%s)", g.count, wait)
		if len(g.labels) > 0 {
			fmt.Fprintf(w, " %s", cut(fmt.Sprintf("%q", g.labels), labelLimit))
		}
		fmt.Fprintln(w)
		for _, f := range g.frames {
			if packageOf(f.Function) != "runtime" {
				fmt.Fprintf(w, "  %s %s:%d\n", f.Function, f.File, f.Line)
			}
		}
	}
	if rest := len(i.census.groups) + i.census.rest - groupLimit; rest > 0 {
		fmt.Fprintf(w, "\n%d smaller groups are left out\n", rest)
	}
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
