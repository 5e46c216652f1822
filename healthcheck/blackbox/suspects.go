package blackbox

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const suspectLimit = 3 // lines of each kind

// receiver is the type of a method, such as main.(*ledger) of main.(*ledger).post.
var receiver = regexp.MustCompile(`^.*\.\(\*[^)]+\)`)

// suspectsOf returns more facts for the places of stuck workers, because a place shows only the goroutine
// that waits. If it waits for a lock, they list other goroutines in methods of the same type. If it waits
// for a database connection, they count the open rows and transactions. They don't say who holds the
// lock, because Go does not know that.
func suspectsOf(groups []group, failing []verdict.Result, places map[string][]place) (lines []string) {
	connections := slices.ContainsFunc(failing, func(r verdict.Result) bool { return strings.Contains(r.Reason, "timeout") })
	types := map[string]bool{}
	for _, list := range places {
		for _, p := range list {
			switch {
			case p.wait == "a free connection of database/sql":
				connections = true
			case strings.HasPrefix(p.wait, "sync.Mutex"), strings.HasPrefix(p.wait, "sync.RWMutex"):
				if t := receiver.FindString(p.function); t != "" {
					types[t] = true
				}
			}
		}
	}
	for _, t := range slices.Sorted(maps.Keys(types)) {
		lines = append(lines, inMethods(groups, t)...)
	}
	if connections {
		lines = append(lines, open(groups, "rows", "database/sql.(*Rows).awaitDone")...)
		lines = append(lines, open(groups, "transactions", "database/sql.(*Tx).awaitDone")...)
	}
	return lines
}

// inMethods returns the goroutines that are in a method of a type and don't wait for a lock.
func inMethods(groups []group, t string) (lines []string) {
	for _, g := range groups {
		n := slices.IndexFunc(g.frames, func(f runtime.Frame) bool { return strings.HasPrefix(short(f.Function), t+".") })
		if n < 0 || len(lines) == suspectLimit {
			continue
		}
		p := place{function: short(g.frames[n].Function), wait: waitOf(g.frames[:n]), count: g.count}
		if strings.HasPrefix(p.wait, "sync.") {
			continue
		}
		if n > 0 && packageOf(g.frames[n-1].Function) != "runtime" {
			p.callee = short(g.frames[n-1].Function)
		}
		lines = append(lines, fmt.Sprintf("also in %s, and not waiting for a lock: %s", t, p))
	}
	return lines
}

// open returns how many rows or transactions are open, by the worker that has opened them.
func open(groups []group, what, waits string) []string {
	by := map[string]int{}
	for _, g := range groups {
		if slices.ContainsFunc(g.frames, func(f runtime.Frame) bool { return f.Function == waits }) {
			by[cmp.Or(g.labels[workerLabel], "no worker")] += g.count
		}
	}
	if len(by) == 0 {
		return nil
	}
	workers := slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(by[b]-by[a], strings.Compare(a, b)) })
	var parts []string
	for _, w := range workers[:min(suspectLimit, len(workers))] {
		parts = append(parts, fmt.Sprintf("%s %d", w, by[w]))
	}
	return []string{"open " + what + ": " + strings.Join(parts, ", ")}
}
