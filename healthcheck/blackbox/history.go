package blackbox

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const (
	remembered = 600 // seconds
	namesLimit = 256 // checks, rules, heartbeats and probes; 5 bytes a second each
)

var states = []verdict.State{"", verdict.Pass, verdict.Warn, verdict.Unknown, verdict.Stale, verdict.Fail}

// history has a state and a value of each check for each of the last seconds.
type history struct {
	newest  int64 // second of the last verdict
	members map[string]*member
}

type member struct {
	states [remembered]uint8 // an index of states
	values [remembered]float32
	seen   int64 // second
	unit   string
}

func newHistory() *history { return &history{members: map[string]*member{}} }

// add takes the verdict of a second. Of several in one second the worst state counts.
func (h *history) add(v *verdict.Verdict) {
	second := v.Time.Unix()
	if v.Time.IsZero() || second < h.newest {
		return
	}
	for n := max(h.newest+1, second-remembered+1); n <= second; n++ {
		for _, m := range h.members {
			m.states[n%remembered], m.values[n%remembered] = 0, float32(math.NaN())
		}
	}
	h.newest = second
	for _, r := range append([]verdict.Result{v.Liveness, v.Readiness}, v.Results...) {
		m := h.members[r.Name]
		if m == nil {
			if len(h.members) >= namesLimit {
				continue
			}
			m = &member{unit: r.Unit}
			for n := range m.values {
				m.values[n] = float32(math.NaN())
			}
			h.members[r.Name] = m
		}
		m.seen = second
		at := second % remembered
		m.states[at] = max(m.states[at], uint8(max(0, slices.Index(states, r.State))))
		if r.Value != nil {
			m.values[at] = float32(*r.Value)
		}
	}
	maps.DeleteFunc(h.members, func(_ string, m *member) bool { return second-m.seen >= remembered })
}

// copy returns a history that does not change.
func (h *history) copy() *history {
	c := &history{newest: h.newest, members: make(map[string]*member, len(h.members))}
	for name, m := range h.members {
		now := *m
		c.members[name] = &now
	}
	return c
}

// write writes a line for each change of a state, and all values. A dot is the value before it.
func (h *history) write(w io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(h.members)) {
		m := h.members[name]
		fmt.Fprintf(w, "%s\n", name)
		last, unitOnce := uint8(0), false
		for n := h.newest - remembered + 1; n <= h.newest; n++ {
			if s := m.states[n%remembered]; s != last {
				if last = s; s != 0 {
					fmt.Fprintf(w, "  %s %s\n", time.Unix(n, 0).UTC().Format(time.TimeOnly), states[s])
				} else {
					fmt.Fprintf(w, "  %s -\n", time.Unix(n, 0).UTC().Format(time.TimeOnly))
				}
			}
		}
		before := float32(math.NaN())
		for n := h.newest - remembered + 1; n <= h.newest; n++ {
			value := m.values[n%remembered]
			if value != value {
				continue
			}
			if !unitOnce {
				unitOnce = true
				fmt.Fprintf(w, "  from %s, in %s:", time.Unix(n, 0).UTC().Format(time.TimeOnly), m.unit)
			}
			if value == before {
				fmt.Fprint(w, " .")
			} else {
				fmt.Fprintf(w, " %.4g", value)
			}
			before = value
		}
		if unitOnce {
			fmt.Fprintln(w)
		}
	}
}
