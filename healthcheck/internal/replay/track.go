package replay

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A court judges the readings that a rule may have had.
type court interface {
	// quiet judges a time between two collections at once, if nothing happened in it that counts.
	quiet(from, to time.Time) bool

	// needs returns from when on a rule without a memory must be judged between two collections, or how
	// to judge its ends if the evidence stays the same. If both are zero, every tick counts.
	needs(first, last time.Time) (from time.Time, ends func(at time.Time) Range)

	// judge judges one time.
	judge(at time.Time) Range

	// blind judges a time of which nobody knows anything.
	blind(at time.Time)
}

// A track is one rule of one process.
type track struct {
	tick     time.Duration
	sampler  *evidence.Sampler
	court    court
	state    Range
	exported Range
}

func (i *Instance) newTrack(r *Rule) *track {
	t := &track{tick: i.config.Tick, sampler: evidence.NewSampler(r.Query, r.Ejects(), func(string) bool { return false })}
	t.sampler.Apart = &evidence.Pace{Tick: i.config.Tick}
	if r.Ejects() {
		t.court = i.newEjecting(r, t.sampler)
	} else {
		t.court = newPlain(r, t.sampler, i.newCorners(r, false))
	}
	return t
}

// begin begins with the first collection of a process. Nobody knows what was exported with it.
func (t *track) begin() { t.exported = anything }

// walk judges every tick after one collection and before the next.
func (t *track) walk(after, at time.Time) {
	t.exported = Range{}
	first, last := after.Add(t.tick), at.Add(-t.tick)
	if first.After(last) {
		t.exported = t.state // there is no tick in between
		return
	}
	if t.court.quiet(first, last) {
		t.exported = exactly(verdict.Pass)
		return
	}
	from, ends := t.court.needs(first, last)
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

// gap judges a time of which nobody knows anything.
func (t *track) gap(after, at time.Time) {
	t.exported = anything
	t.court.blind(after.Add(t.tick))
	t.court.blind(at.Add(-t.tick))
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

// clean reports whether a reading has nothing to warn of.
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
