package replay

import (
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A court judges the readings that a rule may have had.
type court interface {
	// quiet judges the time between two collections in one step if all its states are pass, and reports whether
	// it has.
	quiet(from, to time.Time) bool

	// shortcut returns which ticks between two collections must be judged: if ends is not nil, only the first
	// and the last ones, with ends; otherwise the ticks from that time on; every tick if both are zero.
	shortcut(first, last time.Time) (from time.Time, ends func(at time.Time) Range)

	// judge judges one time.
	judge(at time.Time) Range

	// blind judges a time without data. After it, the rule may remember anything.
	blind(from, to time.Time)
}

// A track is one rule of one process.
type track struct {
	tick     time.Duration
	memory   time.Duration // how long the rule remembers its evidence, at least
	metrics  []string
	seen     bool          // this process has one of the metrics
	split    bool          // two readers collect the metrics, each some of them
	began    bool          // a collection of this process was judged
	last     time.Time     // the last collection that was judged; zero if there is none
	own      time.Time     // the last collection with the metrics
	step     time.Duration // the shortest time between two collections that have the metrics; zero if unknown
	sampler  *evidence.Sampler
	court    court
	state    Range
	exported Range
}

func (i *Instance) newTrack(r *Rule) *track {
	t := &track{tick: i.config.Tick, memory: r.For + r.KeepFor + time.Minute, metrics: r.Query.Indicator.Metrics(), sampler: evidence.NewSampler(r.Query, r.Ejects(), func(string) bool { return false })}
	t.sampler.Apart = &evidence.Pace{Tick: i.config.Tick}
	if r.Ejects() {
		t.court = i.newEjecting(r, t.sampler)
	} else {
		t.court = newPlain(r, t.sampler, i.newCorners(r, false))
	}
	return t
}

// has reports whether a collection has a metric of the rule.
func (t *track) has(c evidence.Catalog) bool {
	return slices.ContainsFunc(t.metrics, func(name string) bool { return len(c[name]) > 0 })
}

// keeps reports whether the metrics of the rule are missing in a collection only because another reader
// collects them, at other times. Then the last state is kept.
func (t *track) keeps(at time.Time, c evidence.Catalog) bool {
	if !t.seen || t.has(c) || at.Sub(t.own) >= t.step-t.tick {
		return false
	}
	t.exported = anything
	return true
}

// torn reports whether a collection has only some of the metrics of the rule. Two readers that collect
// them at different times never show both sides of a ratio.
func (t *track) torn(c evidence.Catalog) bool {
	lacks := func(name string) bool { return len(c[name]) == 0 }
	return t.has(c) && slices.ContainsFunc(t.metrics, lacks)
}

// waits reports whether no collection of this process has had a metric of the rule yet. If another reader
// collects them, such a collection comes soon.
func (t *track) waits(c evidence.Catalog) bool { return !t.seen && !t.has(c) }

// restart makes the collection at the time at the first one of a new process. after is the time of the last
// collection of the old process.
func (t *track) restart(after, at time.Time) {
	t.sampler.Restart(after, at)
	t.last = after
}

// collect judges the time since the last collection, and then this one. Before the first collection of all, the
// process may have run for any time.
func (t *track) collect(at time.Time, c evidence.Catalog, gap time.Duration) {
	t.sampler.Apart.Gap = at.Sub(t.last) > gap
	t.sampler.Sample(at, c)
	switch {
	case t.last.IsZero():
		t.blind(at.Add(-t.memory), at)
	case t.sampler.Apart.Gap:
		t.blind(t.last, at)
	default:
		t.walk(t.last, at)
	}
	if !t.began {
		t.exported = anything // a Monitor exports nothing before it has judged
	}
	if t.has(c) {
		if passed := at.Sub(t.own); t.seen && passed >= time.Second && (t.step == 0 || passed < t.step) {
			t.step = passed
		}
		t.seen, t.own = true, at
	}
	t.judge(at)
	t.last, t.began = at, true
}

// walk judges every tick after one collection and before the next.
func (t *track) walk(after, at time.Time) {
	t.exported = Range{}
	first, last := after.Add(t.tick), at.Add(-t.tick)
	if first.After(last) {
		t.exported = t.state // no tick in between
		return
	}
	if t.court.quiet(first, last) {
		t.exported = exactly(verdict.Pass)
		return
	}
	from, ends := t.court.shortcut(first, last)
	if ends != nil {
		was := time.Time{}
		for _, now := range [...]time.Time{first, last.Add(-t.tick), last} {
			if now.After(was) {
				t.show(ends(now), now, at)
				was = now
			}
		}
		return
	}
	if from.After(first) {
		first = from
	}
	for now := first; !now.After(last); now = now.Add(t.tick) {
		t.show(t.court.judge(now), now, at)
	}
}

// show notes a state that the next collection may export.
func (t *track) show(r Range, now, at time.Time) {
	if at.Sub(now) <= exportedTicks*t.tick+t.tick/2 {
		t.exported = t.exported.with(r)
	}
}

// exportedTicks is how many ticks old the verdict in a collection is at most.
const exportedTicks = 2

// blind judges a time without data.
func (t *track) blind(after, at time.Time) {
	t.exported = anything
	t.court.blind(after.Add(t.tick), at.Add(-t.tick))
}

// judge judges a recorded collection.
func (t *track) judge(at time.Time) {
	if t.state = exactly(verdict.Pass); !t.court.quiet(at, at) {
		t.state = t.court.judge(at)
	}
	t.exported = t.exported.with(t.state) // another reader may collect after the judgement
}

// same reports whether the best and the worst case are equal.
func same(best, worst *evidence.Reading) bool {
	if len(best.Groups) != len(worst.Groups) || best.Problem != worst.Problem || best.Hidden != worst.Hidden || (best.Unmatched == nil) != (worst.Unmatched == nil) {
		return false
	}
	for n := range best.Groups {
		b, w := &best.Groups[n], &worst.Groups[n]
		if b.Crossed != w.Crossed || !b.Group.Equals(&w.Group) {
			return false
		}
	}
	return len(best.Groups) > 0
}

// clean reports whether a reading has no crossing, no doubt and no problem.
func clean(r *evidence.Reading) bool {
	if r.Problem != "" || r.Hidden != "" || r.Unmatched != nil {
		return false
	}
	for n := range r.Groups {
		if r.Groups[n].Crossed != nil || r.Groups[n].Doubt != nil {
			return false
		}
	}
	return true
}
