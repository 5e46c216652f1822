package healthcheck_test

import (
	"slices"
	"time"
)

// ruleModel remembers since when a rule's limits have been seen otherwise than
// they count.
type ruleModel struct {
	rule
	state      string
	value      float64
	warn, fail memory
}

type memory struct {
	counts bool
	other  bool // now seen otherwise
	since  time.Duration
}

// judge lets the rules see the last collection.
func (m *model) judge(now time.Duration) {
	for _, r := range m.rules {
		seen := ""
		seen, r.value = m.see(r.rule, now)
		if r.state = seen; seen != "unknown" && seen != "stale" {
			warn := r.warn.next(seen != "pass", now, r.wait, r.keep)
			fail := r.fail.next(seen == "fail", now, r.wait, r.keep)
			switch r.state = "pass"; {
			case fail:
				r.state = "fail"
			case warn:
				r.state = "warn"
			}
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

// see is what the last collection says of a rule, and its value: NaN for none.
func (m *model) see(r rule, now time.Duration) (state string, value float64) {
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
	case "age":
		v = s.stamped
	case "missing":
	default:
		return m.look(r, s)
	}
	if v != v {
		return "unknown", nan
	}
	return r.limits.hold(v), v
}

// look judges a rule that looks back.
func (m *model) look(r rule, s sample) (state string, value float64) {
	base := slices.IndexFunc(m.samples, func(o sample) bool { return s.at-o.at < time.Duration(r.window)*time.Second }) - 1
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
	few := all == 0 || all < r.minCount
	switch r.kind {
	case "increase":
		if s.counts[2]+s.counts[3] == 0 {
			return "pass", nan // there is no such series
		}
		return r.limits.hold(float64(bad)), float64(bad)
	case "traffic":
		first := slices.IndexFunc(m.samples, func(o sample) bool { return o.counts != [len(latencies)]int{} })
		if r.limits[0] == r.limits[0] || r.limits[1] == r.limits[1] { // what must happen is looked for from the start
			first = 0
		}
		if first < 0 {
			return "pass", nan
		}
		state = r.limits.hold(float64(all))
		if first--; (float64(all) < r.limits[0] || float64(all) < r.limits[1]) && s.at-max(old.at, m.samples[max(first, 0)].at) < time.Duration(r.window)*time.Second {
			return "pass", nan // too little, in too short a time
		}
		return state, float64(all)
	case "over":
		bad = over(r.bound)
	case "quantile":
		state = "pass"
		for n, l := range r.limits {
			if l == l && over(l)*1000 > all*(1000-int(r.quantile*1000)) && !few {
				state = [...]string{2: "warn", 3: "fail"}[n]
			}
		}
		return state, nan // it is interpolated
	}
	if few {
		return "pass", nan
	}
	v := float64(bad) / float64(all)
	return r.limits.hold(v), v
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
