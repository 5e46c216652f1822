package statuspage

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// The last hour, in steps of ten seconds. A check costs 1,800 bytes of memory.
const (
	step  = 10 * time.Second
	steps = 360
)

// history is what each check was in each step. A step in which nothing was judged
// stays empty: it is not drawn as what was before.
type history struct {
	mu     sync.Mutex
	names  []string
	states []([steps]byte)    // the worst in the step, as a letter; 0 for none
	values []([steps]float32) // the last in that state; not a number where there was none
	last   int64              // number of the newest step, since 1970
}

// letters name the states, from bad to worse.
const letters = "pwusf" // pass, warn, unknown, stale, fail

func letter(s healthcheck.State) byte {
	switch s {
	case healthcheck.Pass:
		return 'p'
	case healthcheck.Warn:
		return 'w'
	case healthcheck.Stale:
		return 's'
	case healthcheck.Fail:
		return 'f'
	}
	return 'u'
}

// add notes a verdict.
func (h *history) add(v *healthcheck.Verdict) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.names == nil {
		for _, c := range v.Checks {
			h.names = append(h.names, c.Name)
		}
		h.states = make([][steps]byte, len(h.names))
		h.values = make([][steps]float32, len(h.names))
	}
	now := v.Time.Unix() / int64(step/time.Second)
	at := int(now % steps)
	for n := min(now-h.last, steps); n > 0; n-- { // what has passed since, and this step, anew
		gone := int((now - n + 1) % steps)
		for c := range h.states {
			h.states[c][gone], h.values[c][gone] = 0, 0
		}
	}
	if h.last > now { // the wall clock was set back: begin anew
		clear(h.states)
	}
	h.last = now
	for n := range v.Checks {
		c := &v.Checks[n]
		l := letter(c.State)
		if worse(h.states[n][at], l) {
			continue
		}
		h.states[n][at], h.values[n][at] = l, float32(math.NaN())
		if c.HasValue {
			h.values[n][at] = float32(c.Value)
		}
	}
}

func worse(a, b byte) bool { return rank(a) > rank(b) }

func rank(l byte) int {
	for n := range len(letters) {
		if letters[n] == l {
			return n
		}
	}
	return -1
}

// past is a check's history, oldest first.
type past struct {
	States string `json:"states"` // a letter for each step, a space where there is none
	Values values `json:"values"`
}

// values are null in JSON where there is no number.
type values []float32

func (v values) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for n, f := range v {
		if n > 0 {
			b = append(b, ',')
		}
		if f64 := float64(f); math.IsNaN(f64) || math.IsInf(f64, 0) {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendFloat(b, f64, 'g', 6, 32)
		}
	}
	return append(b, ']'), nil
}

// since is the history up to now.
func (h *history) since(now time.Time) map[string]past {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]past{}
	end := now.Unix() / int64(step/time.Second)
	for c, name := range h.names {
		p := past{Values: make(values, 0, steps)}
		text := make([]byte, 0, steps)
		for n := end - steps + 1; n <= end; n++ {
			l, v := byte(' '), float32(math.NaN())
			if n <= h.last && n > h.last-steps {
				if s := h.states[c][n%steps]; s != 0 {
					l, v = s, h.values[c][n%steps]
				}
			}
			text, p.Values = append(text, l), append(p.Values, v)
		}
		p.States = string(text)
		all[name] = p
	}
	return all
}
