package healthcheck_test

import (
	"maps"
	"slices"
	"time"
)

// model calculates the answers of the Monitor from the documents alone. Times are since the start.
type model struct {
	conf      conf
	second    int // the next second
	actives   []*activeModel
	rules     []*ruleModel
	queue     float64 // NaN: no value
	gauge     float64
	absent    bool          // the gauge has no value
	level     float64       // of the synchronous gauge
	recorded  bool          // it has a value
	stamp     time.Duration // 0: no value
	counts    [len(latencies)]int
	flow      map[int]int // the living series of the observable counter
	inflight  float64     // of all series of the up-down counter
	flying    bool        // it has a series
	samples   []sample    // of each collection that succeeded
	failing   bool        // collections fail
	beat      time.Duration
	busy      int
	holds     [4]bool
	windows   []window
	draining  bool
	started   bool
	effects   string // content of the override file
	asked     map[string]string
	loaded    string
	overrides map[string]string
	notice    string // content of the maintenance file
	ends      time.Duration
	read      string
	byFile    window // opened by the file

	effectsSeen, noticeSeen string // by the last reading
}

type sample struct {
	at                    time.Duration
	counts                [len(latencies)]int
	queue, gauge, stamped float64
	level                 float64
	absent, recorded      bool
	flow                  map[int]int
	inflight              float64
	flying                bool
}

type window struct {
	until  time.Duration
	lifted bool
}

type activeModel struct {
	active
	does              string
	next              time.Duration // start of the next run, or
	ends              time.Duration // end of the run under way; zero if there is none
	doing             string        // behaviour of the run under way
	soon              time.Duration // from a failed run to the next
	spread            bool          // the phase was used
	ran               time.Duration // when the last run ended
	ended             bool          // a run has ended
	bad, good         int           // in a row
	failed, ever      bool
	warned            bool
	out               bool // a run that timed out has not returned
	needBad, needGood int
}

const (
	timeout = time.Second            // a whole second, so that the next run begins at the same time of a second
	rest    = 500 * time.Millisecond // at least from the end of a failed run to the next
)

func newModel(c conf) *model {
	m := &model{conf: c, gauge: 50, flow: map[int]int{}}
	m.holds[0] = c.held
	for _, a := range c.actives {
		or := func(all ...int) int { // the first that is not zero
			return all[slices.IndexFunc(all, func(n int) bool { return n != 0 })]
		}
		am := &activeModel{active: a, does: a.start, soon: time.Second,
			needBad: or(a.failures, c.failures, 3), needGood: or(a.successes, c.successes, 2)}
		m.actives = append(m.actives, am)
	}
	for _, r := range c.rules {
		m.rules = append(m.rules, &ruleModel{ruled: r})
	}
	return m
}

// until runs the check up to a time.
func (a *activeModel) until(now time.Duration) {
	for {
		switch {
		case a.doing != "" && a.ends <= now:
			a.end(a.ends, a.doing != "obey" && a.doing != "hang")
		case a.doing == "" && a.next <= now:
			a.begin(a.next)
		default:
			return
		}
	}
}

func (a *activeModel) begin(at time.Duration) {
	if a.out { // a hung run is one more failure
		a.bad++
		a.failed = a.failed || a.bad >= a.needBad
		a.next += a.pause()
		return
	}
	a.doing, a.ends = a.does, at
	switch a.does {
	case "slow":
		a.ends = at + 100*time.Millisecond
	case "hang", "obey":
		a.ends = at + timeout
	case "error", "panic":
		a.end(at, false)
	}
}

// end ends the run under way.
func (a *activeModel) end(at time.Duration, ok bool) {
	a.out = a.doing == "hang" && !ok
	a.warned, a.doing, a.ran, a.ended = a.doing == "warn", "", at, true
	if ok {
		a.bad, a.good, a.ever = 0, a.good+1, true
		a.failed = a.failed && a.good < a.needGood
		a.next += a.pause() // since it began
		return
	}
	a.bad, a.good = a.bad+1, 0
	a.failed = a.failed || !a.ever || a.bad >= a.needBad
	a.next = max(a.next+a.pause(), at+rest)
}

// release ends hung runs.
func (a *activeModel) release(now time.Duration) {
	if a.doing == "hang" {
		a.end(now, true)
	}
	a.out = false
}

func (a *activeModel) state(now time.Duration) string {
	switch {
	case !a.ended:
		return "unknown"
	case now-a.ran > 3*a.interval+timeout:
		return "stale"
	case a.failed:
		return "fail"
	case a.warned:
		return "warn"
	}
	return "pass"
}

// pause returns the time from the start of a run to the next.
func (a *activeModel) pause() (p time.Duration) {
	switch {
	case a.bad > 0:
		p = min(a.soon, a.interval)
		a.soon = 2 * p
		return p
	case a.failed:
		p = time.Second
	case !a.spread:
		p, a.spread = a.phase(), true
	default:
		p = a.interval
	}
	a.soon = time.Second
	return p
}

// until lets time pass.
func (m *model) until(now time.Duration) {
	for _, a := range m.actives {
		a.until(now)
	}
	for ; time.Duration(m.second)*time.Second <= now; m.second++ {
		at := time.Duration(m.second) * time.Second
		if m.second > 0 {
			m.files(at)
		}
		if !m.failing {
			s := sample{at, m.counts, m.queue, m.gauge, nan, m.level, m.absent, m.recorded, maps.Clone(m.flow), m.inflight, m.flying}
			if m.stamp > 0 {
				s.stamped = (at - m.stamp).Seconds()
			}
			m.samples = append(m.samples, s)
			m.judge(at)
		}
		m.judge(at + early)
		m.judge(at + poked) // a little early, but no operation comes before it
	}
}

func (m *model) files(now time.Duration) {
	if m.effects == m.effectsSeen && m.effects != m.loaded {
		m.loaded, m.overrides = m.effects, m.asked
	}
	if m.notice == m.noticeSeen && m.notice != m.read {
		m.read = m.notice
		if m.notice != "bad" {
			m.byFile = window{}
		}
		if m.notice != "bad" && m.notice != "" && m.ends > now {
			m.byFile.until = m.ends
		}
	}
	m.effectsSeen, m.noticeSeen = m.effects, m.notice // a change counts when two readings are equal
}

func (m *model) do(o op, now time.Duration) {
	switch o.verb {
	case "behave":
		m.actives[o.n].does = o.text
	case "release":
		m.actives[o.n].release(now)
	case "queue":
		m.queue = o.value
	case "gauge":
		m.gauge, m.absent = o.value, o.text == "absent"
	case "level":
		m.level, m.recorded = o.value, true
	case "stamp":
		m.stamp = now
	case "flow":
		churn(m.flow, o)
	case "inflight":
		m.inflight, m.flying = m.inflight+o.value, true
	case "record":
		m.counts[int(o.value)] += o.n
	case "busy", "beat", "idle":
		m.beat = now
		m.busy = max(0, m.busy+map[string]int{"busy": 1, "idle": -1}[o.verb]) // one End too many ends nothing
	case "hold":
		m.holds[o.n] = true
	case "unhold":
		m.holds[o.n] = false
	case "maintain":
		m.windows = append(m.windows, window{until: o.end(now)})
	case "lift":
		if o.n < len(m.windows) {
			m.windows[o.n].lifted = true
		}
	case "maintenance":
		m.notice, m.ends = o.text, o.end(now)
		if o.text == "until" {
			m.notice = m.ends.String()
		}
	case "effects":
		m.effects, m.asked = o.text, o.effects
	case "failing", "collecting":
		m.failing = o.verb == "failing"
	case "drain":
		m.draining = true
	}
}

// end returns the end of a maintenance that is requested now.
func (o op) end(now time.Duration) time.Duration {
	return now + time.Duration(o.n)*time.Second + 137*time.Millisecond
}
