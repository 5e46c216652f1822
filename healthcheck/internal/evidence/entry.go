package evidence

import (
	"fmt"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// entry is one collection on its way into the ledger.
type entry struct {
	*ledger
	at      time.Time
	span    time.Duration                                               // of the window
	keep    time.Duration                                               // how long a group without series is kept
	checked bool                                                        // a histogram of this collection is well-formed
	checks  []float64                                                   // its bounds
	changed bool                                                        // they differ from those of the last collection
	hidden  map[time.Duration]amounts                                   // folded, by span
	began   func(metric, kind string, p *series, before time.Time) bool // reports that a new series began at zero
	apart   *Pace                                                       // of recorded collections; nil in a Monitor
	unsure  bool                                                        // a new series may be one that a Monitor knows
	early   time.Duration                                               // by how much a recorded collection may be too young for a window
}

// begin begins a collection.
func (l *ledger) begin(at time.Time, span, keep time.Duration, began func(metric, kind string, p *series, before time.Time) bool) *entry {
	if l.origin.IsZero() {
		l.origin = at
	}
	l.before, l.now = l.now, max(l.now+1, at.Sub(l.origin)) // never the same twice
	return &entry{ledger: l, at: at, span: span, keep: keep, began: began}
}

// sum adds the growth of one metric since the last collection to its groups. Malformed data is a
// problem of its group, and never a panic.
func (e *entry) sum(sd *side, read []Metric, kind string) {
	sd.matched = false
	if kind == "exponential histogram" && sd.in.Kind != query.KindIncrease {
		e.regrid(read)
	}
	for _, m := range read {
		b := sd.scopes[m.Scope]
		if b == nil {
			b = &book{accounts: map[attribute.Distinct]*account{}}
			sd.scopes[m.Scope] = b
		}
		if b.now != e.now {
			b.now, b.before = e.now, b.read
			if b.before.IsZero() {
				b.before = e.last
			}
		}
		each(m.Data, func(p *series) {
			if p.at.After(b.read) {
				b.read = p.at
			}
			e.post(sd, b, kind, p)
		})
	}
}

// post brings the account of one series up to date.
func (e *entry) post(sd *side, b *book, kind string, p *series) {
	a, isNew := e.account(sd, b, p)
	w := a.to
	if a.is == kept {
		if e.apart != nil && w.live > 0 && e.now-w.live > e.keep {
			w.again = e.at
		}
		w.live, w.based, sd.matched = e.now, w.based || sd.based, true
	}
	buckets := sd.in.Kind != query.KindIncrease && a.is != dropped
	if buckets && p.exponential != nil && p.exponential.wellFormed() == nil {
		e.counts = e.grid.counts(p.exponential, e.counts)
		p.counts, p.bounds = e.counts, e.grid.bounds
	}
	if err := e.check(sd, buckets, p); err != nil {
		if a.is != dropped {
			w.problem = err
		}
		return // the growth counts when the data is well-formed again
	}
	last := a.read
	a.read = e.now
	size := len(e.sides)
	if buckets {
		size = len(p.counts)
	}
	if w.amount == nil {
		w.amount = make(amounts, size)
	}
	start := int64(0)
	if !p.start.IsZero() {
		start = p.start.UnixNano()
	}
	changed, reset, known := true, false, a.value == a.value
	if !isNew && known {
		changed, reset = a.moved(buckets, p)
	}
	switch {
	case !changed && start == a.start:
		return
	case isNew && (e.fresh || a.is != folded && !e.began(sd.in.Metric, kind, p, b.before)), !isNew && !known:
		// the count from before is not growth
		e.lost(w)
	case isNew:
		w.began = true
		if e.returns(kind, last) {
			e.doubt(w, sd, buckets, p, &account{}, 0)
		}
		w.grow(sd.column, buckets, p, &account{})
	case reset, start != a.start && p.start.After(b.before) && e.began(sd.in.Metric, kind, p, b.before):
		w.began = w.began || len(w.slots) == 0
		e.lost(w)
		e.doubt(w, sd, buckets, p, &account{}, last)
		w.grow(sd.column, buckets, p, &account{})
	default:
		w.began = w.began || len(w.slots) == 0 // the series is back, and its group was gone
		if last != e.before {
			e.doubt(w, sd, buckets, p, a, last)
		}
		w.grow(sd.column, buckets, p, a)
	}
	a.value, a.whole, a.start = p.Value, p.whole, start
	if buckets {
		a.counts = append(a.counts[:0], p.counts...)
	}
}

// lookback is how long the last sample of a series counts as its present value in Prometheus.
const lookback = 5 * time.Minute

// forget is how long a series may be gone before it counts as a new one. If it comes back sooner, the
// difference is growth, as in PromQL.
func (e *entry) forget() time.Duration { return max(e.keep, lookback) }

// account returns the account of a series, and whether the series is new.
func (e *entry) account(sd *side, b *book, p *series) (a *account, isNew bool) {
	key := p.Attrs.Equivalent()
	at := b.accounts[key]
	a = at
	for a != nil && a.seen == e.now {
		at, a = a, a.twin
	}
	gone := func(longer time.Duration) bool { return a == nil || a.seen < e.before && e.now-a.seen > longer }
	isNew = gone(e.forget())
	opens := gone(e.keep) // the group of the series may be gone
	if a == nil {
		a = &account{}
		if at == nil {
			b.accounts[key] = a
		} else {
			at.twin = a
		}
	}
	if isNew {
		a.value = math.NaN()
	}
	if opens {
		e.open(sd, a, p)
	}
	a.seen = e.now
	return a, isNew
}

// moved reports whether the count of a series changed, and whether it was reset.
func (a *account) moved(buckets bool, p *series) (changed, reset bool) {
	if !buckets {
		if p.whole != 0 && a.whole != 0 {
			return p.whole != a.whole, p.whole < a.whole
		}
		return p.Value != a.value, p.Value < a.value
	}
	if len(a.counts) != len(p.counts) {
		return true, true
	}
	counts := p.counts[:len(a.counts)]
	for n, old := range a.counts {
		if v := counts[n]; v != old {
			changed = true
			if v < old {
				return true, true
			}
		}
	}
	return changed, false
}

// grow adds the growth of a series since an earlier account of it.
func (w *window) grow(column int, buckets bool, p *series, since *account) {
	if !buckets {
		growth := p.Value - since.value
		if p.whole != 0 && since.whole != 0 {
			growth = float64(p.whole - since.whole)
		}
		w.amount[min(column, len(w.amount)-1)] += growth
		return
	}
	for n, v := range p.counts {
		if since.counts != nil {
			v -= since.counts[n]
		}
		if v != 0 {
			w.amount[n] += float64(v)
		}
	}
}

// open finds the window of a series.
func (e *entry) open(sd *side, a *account, p *series) {
	switch i := &sd.in; {
	case i.Filtered() && p.overflowed():
		a.is, a.to = folded, &sd.overflow
	case !keeps(i, p.Attrs):
		a.is, a.to = dropped, &sd.missed
		sd.seen.note(i, p.Attrs)
	default:
		a.is, a.to = kept, e.window(groupOf(i, p.Attrs))
		sd.seen.group(i, p.Attrs)
	}
}

// window returns the window of a group.
func (e *entry) window(attrs attribute.Set) *window {
	w := e.windows[attrs.Equivalent()]
	if w == nil {
		w = &window{attrs: attrs}
		e.windows[attrs.Equivalent()] = w
	}
	return w
}

// check returns why a series can't be read.
func (e *entry) check(sd *side, buckets bool, p *series) error {
	if !buckets {
		switch {
		case !query.Finite(p.Value):
			return fmt.Errorf("%s: the value is %v", sd.in.Metric, p.Value)
		case p.Value < 0:
			return fmt.Errorf("%s: the count is negative: %v", sd.in.Metric, p.Value)
		}
		return nil
	}
	if same(e.checks, p.bounds) && len(p.counts) == len(p.bounds)+1 {
		return nil // most series of a collection share their bounds
	}
	if err := p.wellFormed(); err != nil {
		return fmt.Errorf("%s: %w", sd.in.Metric, err)
	}
	if e.bounds == nil {
		e.bounds = append([]float64{}, p.bounds...) // a copy, because the SDK reuses the collection; never nil
	}
	if !slices.Equal(e.bounds, p.bounds) {
		e.changed = e.changed || !e.checked
		return fmt.Errorf("%s: series have different bucket boundaries", sd.in.Metric)
	}
	e.checked, e.checks = true, p.bounds
	return nil
}

// same reports whether both are the same memory.
func same(a, b []float64) bool { return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] }

// close ends a collection: every window gets a snapshot. A group that has had no series for longer
// than the window is dropped.
func (e *entry) close() {
	e.lack()
	for key, w := range e.windows {
		if e.now-w.live > e.keep && !w.away {
			delete(e.windows, key)
			continue
		}
		if slices.ContainsFunc(w.amount, infinite) { // finite series can have an infinite sum
			w.problem = fmt.Errorf("%s: the value is %v", e.sides[0].in.Metric, math.Inf(1))
			clear(w.amount)
			w.slots = w.slots[:0]
		}
		if w.amount == nil {
			continue
		}
		if len(w.slots) == 0 && w.began && !e.fresh {
			w.slots = append(w.slots, slot{e.last, make(amounts, len(w.amount))}) // the group was not in the last collection
		}
		e.add(w, e.keep)
	}
	for _, sd := range e.sides {
		e.note(&sd.overflow, e.keep)
		e.note(&sd.missed, e.span)
	}
	if e.apart == nil && e.now-e.swept > e.keep {
		e.sweep()
	}
	e.fresh, e.last = false, e.at
}

// note takes a snapshot of events that belong to no group, once there are some.
func (e *entry) note(w *window, keep time.Duration) {
	if len(w.slots) == 0 {
		if total(w.amount) == 0 {
			return
		}
		w.slots = append(w.slots, slot{e.last, make(amounts, len(w.amount))})
	}
	if slices.ContainsFunc(w.amount, infinite) {
		clear(w.amount)
		w.slots = nil
		return
	}
	e.add(w, keep)
}

// add takes a snapshot of a window.
func (e *entry) add(w *window, keep time.Duration) {
	if e.apart == nil {
		w.add(e.at, e.span, keep)
		return
	}
	if e.fresh {
		w.doubts = append(w.doubts, growthDoubt{at: e.at}) // it may have grown before the first collection
	}
	w.was, w.is = w.is, w.live == e.now
	w.add(e.at, 0, keep+e.apart.width(keep)+e.at.Sub(e.last))
	w.forget()
}

// folded returns the growth of the overflow series in a span: for each side of a ratio, or for each bucket of
// a histogram.
func (e *entry) folded(span, early time.Duration) amounts {
	if !slices.ContainsFunc(e.sides, func(sd *side) bool { return len(sd.overflow.slots) > 0 }) {
		return nothing
	}
	if e.hidden[span] == nil {
		grown, _ := e.sides[0].overflow.growth(span, early)
		if len(e.sides) == 2 {
			of, _ := e.sides[1].overflow.growth(span, early)
			grown = amounts{grown[0], of[len(of)-1]}
		}
		if e.hidden == nil {
			e.hidden = map[time.Duration]amounts{}
		}
		e.hidden[span] = grown
	}
	return e.hidden[span]
}

// nothing is the growth of an overflow series that does not exist.
var nothing = amounts{0, 0}
