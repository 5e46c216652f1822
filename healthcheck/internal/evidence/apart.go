package evidence

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// Pace says when a Monitor would have collected between two recorded collections: at each of them,
// and every tick in between.
type Pace struct {
	Tick time.Duration
	Gap  bool // nothing is known of the time before the next collection
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
	entry   *entry       // of the last collection; nil if it had a problem
	prev    *Reading     // of the collection before
	born    [2]time.Time // earliest and latest start of its Monitor; zero if that was before the first collection
	blind   time.Time    // the last collection that came after a time without data; zero after a restart
	changed bool         // the windows began again with the last collection
	levels  lacking      // series of an indicator without a window
}

// Restart makes the collection at the time at the first one of a new process. after is the time of the last
// collection of the old process.
func (s *Sampler) Restart(after, at time.Time) {
	s.Forget()
	s.Sample(after, nil)
	s.apart.levels, s.apart.blind = lacking{}, time.Time{}
	s.apart.born = [2]time.Time{after, at.Add(-s.Apart.Tick)} // a tick after its start a Monitor has its first collection
}

// since narrows the earliest and the latest time at which a Monitor has forgotten everything: it knows
// nothing from before its start.
func (s *Sampler) since(since [2]time.Time) [2]time.Time {
	for n, born := range s.apart.born {
		if born.After(since[n]) {
			since[n] = born
		}
	}
	return since
}

// A growthDoubt is growth that a Monitor may have missed, or may have counted differently or at another
// time.
type growthDoubt struct {
	from   time.Time // it began after this; zero if a Monitor may not have counted it at all
	at     time.Time // of the collection that shows it
	amount amounts   // counted by the collection; if nil, the true growth may be any amount more
}

// begin begins a collection.
func (s *Sampler) begin(at time.Time, keep time.Duration) *entry {
	e := s.ledger.begin(at, s.rule.Indicator.Window, keep, s.fromZero)
	e.apart, e.early = s.Apart, s.early()
	e.unsure = !s.apart.blind.IsZero() && at.Sub(s.apart.blind) <= e.forget()
	return e
}

// doubt notes growth of a series at an unknown time since an earlier account. A recorded counter does not
// say whether it began at zero; then the doubt has no time, because a Monitor may not have counted the
// growth. If some collections lack a series, it grew at some time after the last one that has it.
func (e *entry) doubt(w *window, sd *side, buckets bool, p *series, since *account, last time.Duration) {
	if e.apart == nil {
		return
	}
	d := window{amount: make(amounts, len(w.amount))}
	d.grow(sd.column, buckets, p, since)
	from := time.Time{}
	if last > 0 {
		from = e.origin.Add(last)
	}
	w.doubts = append(w.doubts, growthDoubt{from, e.at, d.amount})
}

// returns reports whether a new series may have counted before: the process may have had it before the
// first collection, or it is of a counter, which need not begin at zero.
func (e *entry) returns(kind string, last time.Duration) bool {
	return kind == "counter" || last > 0 || e.unsure
}

// lost notes growth that no collection shows: the counts before a reset, and the counts before the first
// one that can be read.
func (e *entry) lost(w *window) {
	if e.apart != nil && !e.fresh {
		w.doubts = append(w.doubts, growthDoubt{at: e.at})
	}
}

// lack finds the windows of series that are missing in this collection or can't be read. A Monitor may
// have read them, so their counts are unknown until they are back. A series has ended if it is missing
// for longer than Prometheus looks back.
func (e *entry) lack() {
	if e.apart == nil {
		return
	}
	for _, w := range e.windows {
		w.away = false
	}
	longest := e.forget() + e.apart.width(e.keep)
	for _, sd := range e.sides {
		sd.overflow.away, sd.missed.away = false, false
		for _, b := range sd.scopes {
			for _, a := range b.accounts {
				for ; a != nil; a = a.twin {
					if a.read == 0 || a.read == e.now {
						continue
					}
					if a.lacked <= a.read || e.apart.Gap {
						a.lacked = e.now
					}
					if e.now-a.lacked <= longest {
						a.to.away = true
					}
				}
			}
		}
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

// worstBound returns the bound of a rule with the worst state.
func worstBound(r *query.Rule) *query.Bound {
	var worst *query.Bound
	for n := range r.Bounds {
		worst = worse(worst, &r.Bounds[n])
	}
	return worst
}
