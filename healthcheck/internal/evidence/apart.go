package evidence

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// Pace says when a Monitor would have collected between two recorded collections: at each of them,
// and every tick in between.
type Pace struct {
	Tick time.Duration
}

// width is how much older than a span the base of a window can be, because windows are thinned.
func (p *Pace) width(span time.Duration) time.Duration {
	if thin := span / slotsPerWindow; thin > p.Tick {
		return thin + p.Tick
	}
	return p.Tick
}

// apart is what a sampler of recorded collections remembers.
type apart struct {
	entry     *entry   // of the last collection; nil if it had a problem
	prev      *Reading // of the collection before
	restarted bool     // the process has begun since then
}

// Restart makes the next collection the first one of a process that began after a time.
func (s *Sampler) Restart(after time.Time) {
	s.Forget()
	s.Sample(after, nil)
	s.apart.restarted = true
}

// A growthDoubt is growth that a Monitor may not have counted, or not as much.
type growthDoubt struct {
	at     time.Time // of the collection that shows it
	amount amounts   // at most this is no growth; if nil, there may be any more
}

// begin begins a collection.
func (s *Sampler) begin(at time.Time, keep time.Duration) *entry {
	e := s.ledger.begin(at, s.rule.Indicator.Window, keep, s.fromZero)
	if e.apart = s.Apart; e.apart != nil {
		e.unsure = s.apart.restarted
	}
	return e
}

// doubt notes the first growth of a series. A recorded counter does not say whether it began at zero,
// and nobody knows what a process had counted when its Monitor began.
func (e *entry) doubt(w *window, sd *side, kind string, buckets bool, p *series) {
	if e.apart == nil || kind != "counter" && !e.unsure {
		return
	}
	d := window{amount: make(amounts, len(w.amount))}
	d.grow(sd.column, buckets, p, &account{})
	w.doubts = append(w.doubts, growthDoubt{e.at, d.amount})
}

// lost notes a reset. What was counted before it since the last collection is lost.
func (e *entry) lost(w *window) {
	if e.apart != nil {
		w.doubts = append(w.doubts, growthDoubt{at: e.at})
	}
}

// forget drops the doubts that are as old as the oldest snapshot.
func (w *window) forget() {
	n := 0
	for n < len(w.doubts) && w.doubts[n].at.Before(w.slots[0].at) {
		n++
	}
	w.doubts = w.doubts[n:]
}

// keep keeps the entry of a collection for Between, and returns the first problem of a group.
func (s *Sampler) keep(e *entry) error {
	var problems []error
	for _, w := range e.windows {
		if w.broken = w.problem != nil; w.broken {
			problems = append(problems, of(w.attrs, w.problem))
		}
		w.problem, w.began = nil, false
	}
	for _, sd := range e.sides {
		if w := &sd.overflow; w.problem != nil {
			problems, w.problem = append(problems, w.problem), nil
		}
	}
	s.apart.entry = e
	return first(problems)
}

// worstBound is the worst bound of a rule.
func worstBound(r *query.Rule) *query.Bound {
	var worst *query.Bound
	for n := range r.Bounds {
		worst = worse(worst, &r.Bounds[n])
	}
	return worst
}
