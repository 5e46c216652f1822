// Package replay judges recorded collections by rules, in virtual time, with the packages that judge
// in a Monitor: collections → readings in the best and in the worst case → judgements → spans.
//
// In: the collections of one process after another, in order of time, by [Instance.Collect]. Out: the
// states that a Monitor may have been in, as data. It assumes a Monitor that collects at each recorded
// collection, and every tick in between. Between two collections a counter has a value between theirs. So the
// evidence is a range, and the rules judge its best and its worst case. Before the first collection and in
// gaps, any evidence is possible. A series that is missing in a collection may have gone on counting.
//
// It has no clock, no goroutine and no lock, and reads nothing but its input.
package replay

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Rule is a rule and the effect of its failure.
type Rule struct {
	Name         string
	Query        *query.Rule
	For, KeepFor time.Duration
	OnFail       verdict.Effect // the effect; of a rule in shadow, the effect without the shadow
	Shadow       bool
}

// Ejects reports whether the rule takes its instance out by an ejection.
func (r *Rule) Ejects() bool {
	return (r.OnFail == states.NotReady || r.OnFail == states.Restart) && r.Query.Indicator.Windowed()
}

// Config has the rules, and the properties of the Monitor that is assumed.
type Config struct {
	Rules []Rule
	Tick  time.Duration // between two judgements of a Monitor

	// Gap is the longest time between two collections of a running process. During a longer time, any evidence
	// is possible. If zero, it is four times the shortest time between two collections, and 90 s at least.
	Gap time.Duration

	// Exists reports whether every process has created an instrument, also if it has no series. If it is nil,
	// this is unknown.
	Exists func(metric string) bool

	// Jitter returns the lowest and the highest possible jitter of a rule's ejections, from 0 to 1. If it is
	// nil, any jitter is possible.
	Jitter func(rule string) (low, high float64)
}

// A Range is the state in the best case and in the worst. Low is never worse than High. If both are
// equal, it is certain.
type Range struct{ Low, High verdict.State }

// anything is the range of an unknown state.
var anything = Range{verdict.Pass, verdict.Fail}

func exactly(s verdict.State) Range { return Range{s, s} }

// Certain reports whether the state is known.
func (r Range) Certain() bool { return r.Low == r.High }

// Has reports whether a state is in the range.
func (r Range) Has(s verdict.State) bool {
	return states.Severity(s) >= states.Severity(r.Low) && states.Severity(s) <= states.Severity(r.High)
}

// with returns the range that includes both.
func (r Range) with(o Range) Range {
	if r.Low == "" {
		return o
	}
	if states.Severity(o.Low) < states.Severity(r.Low) {
		r.Low = o.Low
	}
	if states.Severity(o.High) > states.Severity(r.High) {
		r.High = o.High
	}
	return r
}

// States are what a Monitor may have found, of every rule and of readiness.
type States struct {
	Rules  []Range
	Ready  Range
	Shadow Range // readiness if the rules in shadow were enforced
}

// A Judgement is the possible judgement of a Monitor at one recorded collection.
type Judgement struct {
	At time.Time
	States

	// Exported are the states that the collection may contain. A Monitor exports its last verdict: that of the
	// last tick, or of the same tick if another reader than its own has collected.
	Exported States

	// Kept are the rules whose metrics are not in this collection, because another reader collects them. They
	// keep the state of the last collection.
	Kept []bool

	// After is the last collection before a gap, if there was one; zero if not.
	After     time.Time
	Restarted bool // a new process has begun since the last collection
}

// An Instance judges the collections of one instance.
type Instance struct {
	Step time.Duration // the shortest time between two collections of more than a second; zero if unknown

	config Config
	tracks []*track
	last   time.Time       // the last collection, with any metrics
	began  time.Time       // the first one of this process
	names  map[string]bool // metrics of the last collection
	single bool            // one reader collects all metrics
	others bool            // there certainly are other readers
	seen   map[string]bool // metrics of this process
	at     *twins
	shown  *twins
}

// New makes the judge of an instance without collections.
func New(c Config) *Instance { return &Instance{config: c} }

// gap returns the longest time between two collections that is not a gap.
func (i *Instance) gap() time.Duration {
	if i.config.Gap > 0 {
		return i.config.Gap
	}
	if i.Step == 0 {
		return leastGap
	}
	return max(leastGap, 4*i.Step)
}

const leastGap = 90 * time.Second

// begin begins the judgements of a process.
func (i *Instance) begin() {
	i.tracks, i.seen = nil, map[string]bool{}
	for n := range i.config.Rules {
		i.tracks = append(i.tracks, i.newTrack(&i.config.Rules[n]))
	}
	i.at, i.shown = newTwins(i.config.Rules), newTwins(i.config.Rules)
}

// Collect judges the time since the last collection, and then this one. restarted is set if the process has
// restarted since then. The judgement is valid until the next call.
func (i *Instance) Collect(at time.Time, c evidence.Catalog, restarted bool) *Judgement {
	j := &Judgement{At: at}
	first := i.last.IsZero()
	if first || restarted {
		i.begin()
		i.began = at
	}
	if !first {
		j.Restarted = restarted
		step := at.Sub(i.last)
		if step > i.gap() {
			j.After = i.last
		}
		if step >= time.Second && (i.Step == 0 || step < i.Step) {
			i.Step = step
		}
	}
	names, common := map[string]bool{}, false
	for name, found := range c {
		if len(found) > 0 {
			i.seen[name], names[name] = true, true
			common = common || i.names[name]
		}
	}
	common = common || !first && len(names) == 0 && len(i.names) == 0
	other := !common && len(names) > 0 && len(i.names) > 0
	i.single, i.others, i.names = i.single || common, i.others || other, names
	j.Kept = make([]bool, len(i.tracks))
	for n, t := range i.tracks {
		if restarted && !first {
			t.restart(i.last, at)
		}
		switch {
		case t.torn(c) && (first || i.others), t.split:
			t.state, t.exported, t.split = anything, anything, i.others
		case t.keeps(at, c):
			j.Kept[n], i.others = true, true
		case t.waits(c) && (first || other || (i.others || !i.single) && at.Sub(i.began) < i.gap()):
			t.state, t.exported = anything, anything
		default:
			t.collect(at, c, i.gap())
		}
	}
	i.last = at
	j.States = i.at.judge(at, i.tracks, func(t *track) Range { return t.state })
	j.Exported = i.shown.judge(at, i.tracks, func(t *track) Range { return t.exported })
	return j
}

// known reports whether an instrument certainly exists.
func (i *Instance) known(metric string) bool {
	return i.seen[metric] || i.config.Exists != nil && i.config.Exists(metric)
}
