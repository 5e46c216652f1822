// Package replay judges recorded collections by rules, in virtual time, with the packages that judge
// in a Monitor: collections → readings in the best and in the worst case → judgements → spans.
//
// In: the collections of one process after another, in order of time, by [Instance.Collect]. Out:
// the states that a Monitor may have been in, as data. It imagines a Monitor that collects with each
// recorded collection, and every tick in between. A counter between two collections has a value
// between theirs, so what is judged is a range. One Monitor sees the best of it, another one the
// worst. What a Monitor remembers of a time that no collection shows may be anything: of the time before
// the first one, and of gaps. A series that a collection lacks may have counted on.
//
// It has no clock, no goroutine and no lock, and reads nothing from anywhere.
package replay

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Rule is a rule and what its failure does.
type Rule struct {
	Name         string
	Query        *query.Rule
	For, KeepFor time.Duration
	OnFail       verdict.Effect // with force; of a rule in shadow, the one that it would have
	Shadow       bool
}

// Ejects reports whether the rule takes its instance out by an ejection.
func (r *Rule) Ejects() bool {
	return (r.OnFail == states.NotReady || r.OnFail == states.Restart) && r.Query.Indicator.Windowed()
}

// Config says what judges.
type Config struct {
	Rules []Rule
	Tick  time.Duration // between two judgements of a Monitor

	// Gap is the longest time between two collections of a process that runs. Nothing is known of a
	// longer one. If it is zero, it is four times the shortest one, and 90 s at least.
	Gap time.Duration

	// Exists reports whether each process has created an instrument, also if it has no series. If it is
	// nil, nobody knows.
	Exists func(metric string) bool

	// Jitter is from where to where the jitter of a rule's ejections may be, from 0 to 1. If it is nil,
	// nobody knows.
	Jitter func(rule string) (low, high float64)
}

// A Range is the state in the best case and in the worst. Low is never worse than High. If both are
// equal, it is certain.
type Range struct{ Low, High verdict.State }

// anything is the range of a state that nobody knows.
var anything = Range{verdict.Pass, verdict.Fail}

func exactly(s verdict.State) Range { return Range{s, s} }

// Certain reports whether the state is known.
func (r Range) Certain() bool { return r.Low == r.High }

// Has reports whether a state is in the range.
func (r Range) Has(s verdict.State) bool {
	return states.Severity(s) >= states.Severity(r.Low) && states.Severity(s) <= states.Severity(r.High)
}

// with returns the range that has both.
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
	Shadow Range // what readiness would be if the rules in shadow had force
}

// A Judgement is what a Monitor may have found with one recorded collection.
type Judgement struct {
	At time.Time
	States

	// Exported is what the collection may show of it. A Monitor exports its last verdict, and that is
	// of a tick before, or of the same if another reader than its own has collected.
	Exported States

	// Kept are the rules that this collection has no metric of, because another reader collects it. Their
	// state is that of the collection before.
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
	single bool            // one reader collects them all
	others bool            // there are others for certain
	seen   map[string]bool // metrics of this process
	at     *twins
	shown  *twins
}

// New makes the judge of an instance without collections.
func New(c Config) *Instance { return &Instance{config: c} }

// gap is the longest time between two collections that is none.
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

// Collect judges the time since the last collection, and then this one. restarted says that the process
// has begun since then. The judgement is valid until the next call.
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

// known reports whether an instrument exists for certain.
func (i *Instance) known(metric string) bool {
	return i.seen[metric] || i.config.Exists != nil && i.config.Exists(metric)
}
