package blackbox

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const (
	remembered = 600 // seconds
	sparse     = 10  // seconds between two written values of a check that passes
	namesLimit = 256 // checks, rules, heartbeats and probes; 3 kB each
)

var states = []verdict.State{"", verdict.Pass, verdict.Warn, verdict.Unknown, verdict.Stale, verdict.Fail}

// history has a state and a value of each check for each of the last seconds.
type history struct {
	mu *sync.Mutex
	*seconds
}

// seconds are the data of a history.
type seconds struct {
	newest  int64 // second of the last verdict
	members map[member]*track
	left    bool // there were more members
}

// member is a probe or a check. A check may have the name of a probe.
type member struct {
	name  string
	probe bool
}

func (m member) String() string {
	if m.probe {
		return m.name + " (probe)"
	}
	return m.name
}

type track struct {
	states [remembered]uint8 // an index of states
	values [remembered]float32
	seen   int64 // second
	unit   string
}

func newHistory() history { return history{new(sync.Mutex), &seconds{members: map[member]*track{}}} }

// add takes the verdict of a second. Of several in one second the worst state counts.
func (h history) add(v *verdict.Verdict) {
	if v.Time.IsZero() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	second := v.Time.Unix()
	if second < h.newest { // the wall clock was set back, so start again
		h.newest, h.members = 0, map[member]*track{}
	}
	for n := max(h.newest+1, second-remembered+1); n <= second; n++ {
		for _, t := range h.members {
			t.states[n%remembered], t.values[n%remembered] = 0, float32(math.NaN())
		}
	}
	h.newest = second
	h.note(member{"liveness", true}, &v.Liveness)
	h.note(member{"readiness", true}, &v.Readiness)
	for n := range v.Results {
		h.note(member{v.Results[n].Name, false}, &v.Results[n])
	}
	maps.DeleteFunc(h.members, func(_ member, t *track) bool { return second-t.seen >= remembered })
}

func (s *seconds) note(m member, r *verdict.Result) {
	t := s.members[m]
	if t == nil {
		if len(s.members) >= namesLimit {
			s.left = true
			return
		}
		t = &track{unit: r.Unit}
		for n := range t.values {
			t.values[n] = float32(math.NaN())
		}
		s.members[m] = t
	}
	t.seen = s.newest
	at := s.newest % remembered
	t.states[at] = max(t.states[at], uint8(max(0, slices.Index(states, r.State))))
	if r.Value != nil {
		t.values[at] = float32(*r.Value)
	}
}

// copy returns the seconds as they are now.
func (h history) copy() *seconds {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &seconds{newest: h.newest, left: h.left, members: make(map[member]*track, len(h.members))}
	for m, t := range h.members {
		now := *t
		c.members[m] = &now
	}
	return c
}

// write writes a line for each change of a state, and values. Checks that did not pass come first.
func (s *seconds) write(w io.Writer) {
	all := slices.SortedFunc(maps.Keys(s.members), func(a, b member) int {
		if x, y := s.members[a].worst(), s.members[b].worst(); x != y {
			return int(y) - int(x)
		}
		return strings.Compare(a.String(), b.String())
	})
	for _, m := range all {
		fmt.Fprintf(w, "%s\n", m)
		s.members[m].write(w, s.newest)
	}
	if s.left {
		fmt.Fprintf(w, "more than %d checks are not remembered\n", namesLimit)
	}
}

func (t *track) worst() uint8 { return slices.Max(t.states[:]) }

func (t *track) write(w io.Writer, newest int64) {
	clock := func(second int64) string { return time.Unix(second, 0).UTC().Format(time.TimeOnly) }
	last := uint8(0)
	for n := newest - remembered + 1; n <= newest; n++ {
		if s := t.states[max(n, 0)%remembered]; s != last {
			last = s
			word := string(states[s])
			if s == 0 {
				word = "not judged"
			}
			fmt.Fprintf(w, "  %s %s\n", clock(n), word)
		}
	}
	every := int64(1)
	if states[t.worst()] == verdict.Pass {
		every = sparse
	}
	begun, before := false, float32(math.NaN())
	for n := newest - remembered + 1; n <= newest; n++ {
		value := t.values[max(n, 0)%remembered]
		missing := value != value
		if n%every != 0 || missing && !begun {
			continue
		}
		if !begun {
			begun = true
			fmt.Fprintf(w, "  every %d s from %s, in %q:", every, clock(n), t.unit)
		}
		switch {
		case missing:
			fmt.Fprint(w, " -")
		case value == before:
			fmt.Fprint(w, " .")
		default:
			fmt.Fprintf(w, " %.4g", value)
		}
		before = value
	}
	if begun {
		fmt.Fprintln(w)
	}
}
