package healthcheck_test

import (
	"slices"
	"time"
)

// ruleModel is the state of a rule, with the start of observations that differ from it.
type ruleModel struct {
	ruled
	state      string
	value      float64
	warn, fail memory
}

type memory struct {
	counts bool
	other  bool // the observation differs from counts
	since  time.Duration
}

// judge judges the rules by the last collection.
func (m *model) judge(now time.Duration) {
	for _, r := range m.rules {
		seen := ""
		seen, r.value = m.observe(r.ruled, now)
		if r.state = seen; seen != "unknown" && seen != "stale" {
			warn := r.warn.next(seen != "pass", now, r.wait, r.keep)
			fail := r.fail.next(seen == "fail", now, r.wait, r.keep)
			switch r.state = "pass"; {
			case fail:
				r.state = "fail"
			case warn:
				r.state = "warn"
			}
		} else {
			r.warn.gap(now)
			r.fail.gap(now)
		}
	}
}

func (m *memory) next(seen bool, now, wait, keep time.Duration) bool {
	need := wait
	if m.counts {
		need = keep
	}
	if seen != m.counts && !m.other {
		m.since = now
	}
	m.other = seen != m.counts
	if m.other && now-m.since >= need {
		m.counts, m.other = seen, false
	}
	return m.counts
}

// gap notes an instant without evidence: no limit is crossed, and For begins again.
func (m *memory) gap(now time.Duration) {
	if m.counts && !m.other {
		m.since = now
	}
	m.other = m.counts
}

// observe returns the state of a rule by the last collection, and its value; NaN if there is none.
func (m *model) observe(r ruled, now time.Duration) (state string, value float64) {
	s := m.samples[len(m.samples)-1]
	if now-s.at > 30*time.Second {
		return "stale", nan
	}
	v := nan
	switch r.kind {
	case "last":
		v = s.queue
	case "share":
		v = s.queue / 100
	case "gauge":
		if v = s.gauge; s.absent {
			v = nan
		}
	case "each": // without a series there is nothing to judge
		if v = s.gauge; s.absent {
			return "pass", nan
		}
	case "level":
		if v = s.level; !s.recorded {
			return "pass", nan
		}
	case "inflight":
		if v = s.inflight; !s.flying {
			return "pass", nan
		}
	case "flow":
		return m.observeFlow(r, s)
	case "age":
		v = s.stamped
	case "missing":
	default:
		return m.observeWindow(r, s)
	}
	if v != v {
		return "unknown", nan
	}
	return r.limits.hold(v), v
}

// observeWindow judges a rule with a window.
func (m *model) observeWindow(r ruled, s sample) (state string, value float64) {
	window := time.Duration(r.window) * time.Second
	if window == 0 {
		window = 30 * time.Second
	}
	base := slices.IndexFunc(m.samples, func(o sample) bool { return s.at-o.at < window }) - 1
	old := m.samples[max(base, 0)]
	over := func(bound float64) (n int) {
		for i, l := range latencies {
			if l > bound {
				n += s.counts[i] - old.counts[i]
			}
		}
		return n
	}
	all, bad := over(0), over(.3)
	need := r.minEvents
	if need == 0 {
		need = 10
	}
	few := all < need
	switch r.kind {
	case "increase", "traffic", "count":
		n, counted := all, func(o sample) bool { return o.counts != [len(latencies)]int{} }
		if r.kind == "increase" {
			n, counted = bad, func(o sample) bool { return o.counts[2]+o.counts[3] > 0 }
		}
		first := slices.IndexFunc(m.samples, counted)
		lower := r.limits[0] == r.limits[0] || r.limits[1] == r.limits[1]
		if lower { // a lower limit starts with the instrument
			first = 0
		}
		if first < 0 {
			return "pass", nan
		}
		state = r.limits.hold(float64(n))
		if since := max(old.at, m.samples[max(first-1, 0)].at); lower && state != "pass" && s.at-since < window {
			return "pass", nan // the window is not full yet
		}
		return state, float64(n)
	case "over":
		bad = over(r.bound)
	case "quantile":
		state = "pass"
		for n, l := range r.limits {
			if l == l && over(l)*1000 > all*(1000-int(r.quantile*1000)) && !few {
				state = [...]string{2: "warn", 3: "fail"}[n]
			}
		}
		return state, nan // the value is interpolated, so it is not compared
	}
	if few {
		return "pass", nan
	}
	v := float64(bad) / float64(all)
	return r.limits.hold(v), v
}

// observeFlow judges the growth of an observable counter whose series come and go. Each grows by
// itself: the first value is its beginning, and a lower one counts from zero.
func (m *model) observeFlow(r ruled, s sample) (state string, value float64) {
	window := time.Duration(r.window) * time.Second
	if window == 0 {
		window = 30 * time.Second
	}
	base := slices.IndexFunc(m.samples, func(o sample) bool { return s.at-o.at < window }) - 1
	growth, any := 0, false
	for part := range 4 {
		before, seen, last := 0, -time.Hour, -time.Minute
		for n, o := range m.samples {
			v, lives := o.flow[part]
			was := seen == last
			if last = o.at; !lives {
				continue
			}
			grown := 0
			switch {
			case !was && o.at-seen > max(window, 5*time.Minute): // its first value; PromQL looks back as long
			case v < before:
				grown = v
			default:
				grown = v - before
			}
			if n > max(base, 0) {
				growth += grown
			}
			before, seen = v, o.at
		}
		any = any || s.at-seen <= window
	}
	if !any {
		return "pass", nan
	}
	return r.limits.hold(float64(growth)), float64(growth)
}

func (l limits) hold(v float64) string {
	switch {
	case v < l[0], v > l[3]:
		return "fail"
	case v < l[1], v > l[2]:
		return "warn"
	}
	return "pass"
}

// edges are the types of limits, in order.
var edges = [...]string{"min.fail", "min.warn", "max.warn", "max.fail"}

// shown returns the limits of a rule in the unit of its value, and that unit. A metric without a
// recorded value has no unit yet; until then a duration is in seconds.
func (m *model) shown(r ruled) (all map[string]float64, unit string) {
	s := m.samples[len(m.samples)-1]
	seen, time := true, map[string]string{"": "", "s": "s", "ms": "ms", "_seconds": "s"}[r.unit]
	scale := 1.0
	switch r.kind {
	case "level":
		seen = s.recorded
	case "increase", "traffic", "count", "quantile":
		seen = s.counts != [len(latencies)]int{}
	}
	switch r.kind {
	case "last":
		unit = "{item}"
	case "share", "over", "ratio":
		unit = "1"
	case "age":
		unit = "s"
	case "count":
		if unit = "1"; !seen {
			unit = ""
		}
		if !seen && r.unit == "_seconds" {
			unit = "s"
		}
	case "quantile":
		if unit = time; seen {
			scale = in(time, 1)
		}
	case "gauge", "each", "level", "increase", "traffic":
		if unit = time; time == "ms" && !seen {
			scale = 1e-3
		}
	}
	if !seen && r.unit != "_seconds" {
		unit = ""
	}
	all = map[string]float64{}
	for n, v := range r.limits {
		if v == v {
			all[edges[n]] = v * scale
		}
	}
	return all, unit
}
