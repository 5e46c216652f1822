package memory

import (
	"cmp"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Ejections has all decisions that an [Ejection] may have made, if its input is not known exactly. An instance
// is in, out, or back on probation. More than one of these phases can be possible at a time.
type Ejections struct {
	base, window   time.Duration
	early          time.Duration
	jitter         [2]float64 // lowest and highest
	in, out, back  phase
	lastCall       time.Time
	lowest, utmost verdict.State // of this call
}

// A phase is one of the three: in, out, or back. Each pair has the two extremes of the memory of an Ejection
// in this phase: the first one is in favour of the instance, the second one against it.
type phase struct {
	here    bool
	since   [2]time.Time // the windows began between the two; zero if that was long ago
	failed  [2]time.Duration
	usual   [2]baseline
	learned bool // the usual traffic was certainly known before
	middle  bool // no traffic is known since the last time without data
	count   [2]int
	end     [2]time.Time // of the ejection or the probation
}

// A Sight has the best and the worst observation that an Ejection may have got. State is the state of the rule
// before the decision on an ejection.
type Sight [2]struct {
	Observation
	State verdict.State
}

// NewEjections makes the memory of one rule, as NewEjection does. early is by how much a tick may be
// early or late.
func NewEjections(base, window, early time.Duration, jitter [2]float64) *Ejections {
	return &Ejections{base: cmp.Or(base, baseEjectionTime), window: window, early: early, jitter: jitter, in: phase{here: true}}
}

// In reports whether the instance may be in, and the earliest and latest begin of its windows.
func (e *Ejections) In() (may bool, since [2]time.Time) { return e.in.here, e.in.since }

// Back reports whether the instance may be on probation, and the earliest and latest begin of its windows.
func (e *Ejections) Back() (may bool, since [2]time.Time) { return e.back.here, e.back.since }

// Blind notes a time without data until now: the instance may have been ejected any number of times, and its
// usual traffic is unknown.
func (e *Ejections) Blind(now time.Time) {
	long := now.Add(-longAgo)
	most := Ejection{base: e.base, jitter: e.jitter[1], count: manyEjections}
	probation := e.window + probationTime
	e.lastCall = now
	e.in = phase{here: true, middle: true, failed: [2]time.Duration{0, longAgo}, since: [2]time.Time{long, now.Add(-probation)}}
	e.out = phase{here: true, middle: true, count: [2]int{1, manyEjections}, since: [2]time.Time{long, now}, end: [2]time.Time{now, now.Add(most.time() + e.early)}}
	e.back = phase{here: true, middle: true, count: [2]int{1, manyEjections}, since: [2]time.Time{long, now}, end: [2]time.Time{now, now.Add(probation)}}
}

const (
	longAgo       = 365 * 24 * time.Hour
	manyEjections = 20  // after more ejections in a row, the ejection time is the same
	anyTraffic    = 1e3 // unknown traffic is within this factor of the usual traffic
)

// Calm reports whether the instance is in, and nothing counts against it.
func (e *Ejections) Calm() bool {
	return e.in.here && !e.out.here && !e.back.here && e.in.failed[1] == 0
}

// Next returns the lowest and the highest state of the rule. in and back are what it sees if the
// instance is in, and if it is on probation.
func (e *Ejections) Next(in, back Sight, now time.Time) (low, high verdict.State) {
	e.lowest, e.utmost = "", ""
	was := *e
	e.in, e.out, e.back = phase{}, phase{}, phase{}
	if o := was.out; o.here {
		if now.Before(o.end[1]) {
			e.out.add(o)
			e.may(verdict.Fail)
		}
		if !now.Before(o.end[0]) {
			o.since, o.failed = [2]time.Time{now, now}, [2]time.Duration{}
			end := now.Add(e.window + probationTime)
			o.end = [2]time.Time{end, end}
			e.back.add(o)
			e.may(verdict.Warn)
		}
	}
	if was.in.here {
		e.step(was.in, in, now, false)
	}
	if was.back.here {
		e.step(was.back, back, now, true)
	}
	e.lastCall = now
	return e.lowest, e.utmost
}

// may notes a state.
func (e *Ejections) may(s verdict.State) {
	order := map[verdict.State]int{verdict.Warn: 1, verdict.Unknown: 2, verdict.Stale: 3, verdict.Fail: 4}
	if e.lowest == "" || order[s] < order[e.lowest] {
		e.lowest = s
	}
	if e.utmost == "" || order[s] > order[e.utmost] {
		e.utmost = s
	}
}

// step decides for one phase.
func (e *Ejections) step(p phase, seen Sight, now time.Time, probation bool) {
	best, worst := &seen[0], &seen[1]
	p.learn(seen, now)
	overload := [2]bool{
		p.usual[0].rate == 0 || p.usual[0].exceeded(worst.Traffic), // perhaps
		p.usual[1].exceeded(best.Traffic),                          // for certain
	}
	if best.Traffic.Rate == 0 && worst.Traffic.Rate == 0 { // there is no traffic to compare
		overload = [2]bool{}
	}
	passed := min(now.Sub(e.lastCall), maxGap)
	p.failed[0] = fails(p.failed[0], passed, best.Failing, overload[0])
	p.failed[1] = fails(p.failed[1], passed, worst.Failing, overload[1])
	low := &Ejection{base: e.base, window: e.window, jitter: e.jitter[0], count: p.count[0]}
	high := &Ejection{base: e.base, window: e.window, jitter: e.jitter[1], count: p.count[1]}
	possible := worst.Failing && worst.Traffic.Known && !overload[1] && worst.Ongoing && (probation || p.failed[1]+e.early >= low.delay())
	certain := best.Failing && best.Traffic.Known && !overload[0] && best.Ongoing && (probation || p.failed[0]-e.early >= high.delay())
	if possible {
		o := p
		o.end = [2]time.Time{now.Add(low.time() - e.early), now.Add(high.time() + e.early)}
		o.failed = [2]time.Duration{}
		o.count[0]++
		o.count[1]++
		e.out.add(o)
		e.may(verdict.Fail)
	}
	if certain {
		return
	}
	if probation {
		if now.Before(p.end[1]) || worst.Failing {
			e.back.add(p)
			e.may(verdict.Warn)
		}
		if now.Before(p.end[0]) || best.Failing {
			return
		}
		p.end, p.count = [2]time.Time{}, [2]int{}
	}
	e.in.add(p)
	for _, s := range [...]verdict.State{best.State, worst.State} {
		if s == verdict.Fail {
			s = verdict.Warn // the instance is not ejected, or not yet
		}
		e.may(s)
	}
}

// learn learns the usual traffic. An Ejection starts with the first known rate, at an unknown time. If that
// was before the first collection, the usual traffic is unknown at first. The two extremes come together
// within half an hour.
func (p *phase) learn(seen Sight, now time.Time) {
	best, worst := &seen[0], &seen[1]
	if p.middle {
		if !worst.Traffic.Known || worst.Traffic.Rate == 0 {
			return
		}
		p.usual[0].rate, p.usual[1].rate = best.Traffic.Rate/anyTraffic, worst.Traffic.Rate*anyTraffic
		p.usual[0].learned, p.usual[1].learned = now, now
		p.middle, p.learned = false, best.Traffic.Known && best.Traffic.Rate > 0
		return
	}
	p.usual[0].learn(best.Traffic, worst.State == verdict.Pass, now)
	p.usual[1].learn(worst.Traffic, best.State == verdict.Pass, now)
	if p.learned {
		return
	}
	if worst.Traffic.Known {
		p.usual[0].rate, p.usual[1].rate = min(p.usual[0].rate, best.Traffic.Rate), max(p.usual[1].rate, worst.Traffic.Rate)
	}
	p.learned = best.Traffic.Known && best.Traffic.Rate > 0
}

// fails returns the time of failing, as Ejection.stays counts it.
func fails(so, passed time.Duration, failing, overload bool) time.Duration {
	switch {
	case !failing:
		return 0
	case overload:
		return max(0, so-passed)
	}
	return so + passed
}

// add makes a phase possible, or widens it.
func (p *phase) add(o phase) {
	if !p.here {
		*p, p.here = o, true
		return
	}
	if o.since[0].Before(p.since[0]) {
		p.since[0] = o.since[0]
	}
	if o.since[1].After(p.since[1]) {
		p.since[1] = o.since[1]
	}
	p.failed = [2]time.Duration{min(p.failed[0], o.failed[0]), max(p.failed[1], o.failed[1])}
	p.usual[0].rate, p.usual[1].rate = min(p.usual[0].rate, o.usual[0].rate), max(p.usual[1].rate, o.usual[1].rate)
	p.learned = p.learned && o.learned
	p.middle = p.middle || o.middle
	for n := range p.usual {
		if o.usual[n].learned.After(p.usual[n].learned) {
			p.usual[n].learned = o.usual[n].learned
		}
	}
	p.count = [2]int{min(p.count[0], o.count[0]), max(p.count[1], o.count[1])}
	if o.end[0].Before(p.end[0]) {
		p.end[0] = o.end[0]
	}
	if o.end[1].After(p.end[1]) {
		p.end[1] = o.end[1]
	}
}
