package statuspage

import (
	"maps"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The history is the last hour, in steps of ten seconds. A check costs 1,800 bytes of memory.
const (
	step  = 10 * time.Second
	steps = 360
)

// history has the states of every check by its name, because checks come and go while the process
// runs. A step without a judgement stays empty; the page does not draw the state before it.
type history struct {
	mu     sync.Mutex
	tracks map[string]*track
	last   int64 // number of the newest step, since 1970
}

// track is the last hour of one check, in a ring.
type track struct {
	states [steps]byte    // the worst of the step, as a letter; 0 if there is none
	values [steps]float32 // the last in that state; NaN if there is none
	last   int64          // number of the newest step with a judgement
}

// letters name the states, from bad to worse.
const letters = "pwusf" // pass, warn, unknown, stale, fail

func letter(s verdict.State) byte {
	switch s {
	case verdict.Pass:
		return 'p'
	case verdict.Warn:
		return 'w'
	case verdict.Stale:
		return 's'
	case verdict.Fail:
		return 'f'
	}
	return 'u'
}

// add records a verdict.
func (h *history) add(v *verdict.Verdict) {
	if v.Time.IsZero() {
		return // nothing was judged
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := v.Time.Unix() / int64(step/time.Second)
	if h.tracks == nil || now < h.last { // the first verdict, or the wall clock was set back: start again
		h.tracks = map[string]*track{}
	}
	if now > h.last { // drop checks without a judgement for an hour
		maps.DeleteFunc(h.tracks, func(_ string, t *track) bool { return now-t.last >= steps })
	}
	h.last = now
	for i := range v.Results {
		r := &v.Results[i]
		t := h.tracks[r.Name]
		if t == nil {
			t = &track{last: now}
			h.tracks[r.Name] = t
		}
		t.note(now, letter(r.State), r.Value)
	}
}

// note records a state and a value in a step.
func (t *track) note(now int64, l byte, value *float64) {
	for n := min(now-t.last, steps); n > 0; n-- { // clear the steps since then, and this one
		t.states[(now-n+1)%steps] = 0
	}
	t.last = now
	at := now % steps
	if worse(t.states[at], l) {
		return
	}
	t.states[at], t.values[at] = l, float32(math.NaN())
	if value != nil {
		t.values[at] = float32(*value)
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
	States string `json:"states"` // a letter for every step; a space if there was no judgement
	Values values `json:"values"`
}

// values are null in JSON if there is no number.
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

// since returns the history up to now.
func (h *history) since(now time.Time) map[string]past {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]past{}
	end := now.Unix() / int64(step/time.Second)
	for name, t := range h.tracks {
		p := past{Values: make(values, 0, steps)}
		text := make([]byte, 0, steps)
		for n := end - steps + 1; n <= end; n++ {
			l, v := byte(' '), float32(math.NaN())
			if n <= t.last && n > t.last-steps && t.states[n%steps] != 0 {
				l, v = t.states[n%steps], t.values[n%steps]
			}
			text, p.Values = append(text, l), append(p.Values, v)
		}
		p.States = string(text)
		all[name] = p
	}
	return all
}
