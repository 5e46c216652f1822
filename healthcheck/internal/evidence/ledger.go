package evidence

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
)

// A ledger adds up the growth of every series by itself. So a series that begins, ends or resets
// changes only its own growth. It keeps the last count of each series, and a window of each group.
type ledger struct {
	sides   []*side // the metric; of a ratio the numerator, then the denominator
	windows map[attribute.Distinct]*window
	bounds  []float64 // of the histogram's buckets
	fresh   bool      // there is no earlier collection to compare with
	last    time.Time // the last collection
	origin  time.Time // of now
	now     time.Duration
	before  time.Duration // the now of the last collection
	swept   time.Duration
}

// side is one metric of an indicator.
type side struct {
	in       query.Indicator // with the matchers and groups of its ratio
	column   int             // of the amounts; a histogram has one for each bucket
	based    bool            // a group needs a series of this side
	scopes   map[instrumentation.Scope]*book
	overflow window // events of the overflow series
	missed   window // events of series that the filter drops
	seen     seen   // what their filter could match
	matched  bool   // this collection has a series that the filter keeps
}

// book has the accounts of one scope's series.
type book struct {
	accounts map[attribute.Distinct]*account
	now      time.Duration
	read     time.Time // when the source read this collection
	before   time.Time // and the one before
}

// account is the last count of one series.
type account struct {
	seen   time.Duration
	start  int64    // in ns; 0 if its source does not tell
	value  float64  // NaN if it was never well-formed
	counts []uint64 // of a histogram
	to     *window
	is     is
	twin   *account // a second series with the same attributes
}

// is says what happens to the growth of a series.
type is byte

const (
	kept is = iota
	dropped
	folded
)

func newLedger(i *query.Indicator) *ledger {
	l := &ledger{}
	if i.Kind == query.KindRatio {
		l.sides = []*side{{in: *i.Num}, {in: *i.Den, column: 1, based: true}}
		for _, sd := range l.sides {
			sd.in.GroupBy = slices.Concat(sd.in.GroupBy, i.GroupBy)
			sd.in.Matchers = slices.Concat(sd.in.Matchers, i.Matchers)
			sd.in.Source = cmp.Or(sd.in.Source, i.Source)
		}
	} else {
		l.sides = []*side{{in: *i, based: true}}
	}
	l.restart()
	return l
}

// restart forgets everything.
func (l *ledger) restart() {
	l.windows, l.bounds, l.fresh = map[attribute.Distinct]*window{}, nil, true
	for _, sd := range l.sides {
		sd.scopes = map[instrumentation.Scope]*book{}
		sd.seen = newSeen(&sd.in)
		sd.overflow, sd.missed = window{amount: amounts{0}}, window{amount: amounts{0}}
	}
}

// entry is one collection on its way into the ledger.
type entry struct {
	*ledger
	at      time.Time
	span    time.Duration                                               // of the window
	keep    time.Duration                                               // how long a series that is gone is kept
	checked bool                                                        // a histogram of this collection is well-formed
	checks  []float64                                                   // its bounds
	changed bool                                                        // they differ from those of the last collection
	began   func(metric, kind string, p *series, before time.Time) bool // reports that a new series began at zero
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
		w.live, w.based, sd.matched = e.now, w.based || sd.based, true
	}
	buckets := sd.in.Kind != query.KindIncrease && a.is == kept
	if err := e.check(sd, buckets, p); err != nil {
		if a.is == kept {
			w.problem = err
		}
		return // its growth counts when its data is well-formed again
	}
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
		// what was there before is not growth
	case isNew:
		w.began = true
		w.grow(sd.column, buckets, p, nil, 0)
	case reset, start != a.start && p.start.After(b.before) && e.began(sd.in.Metric, kind, p, b.before):
		w.grow(sd.column, buckets, p, nil, 0)
	default:
		w.grow(sd.column, buckets, p, a.counts, a.value)
	}
	a.value, a.start = p.Value, start
	if buckets {
		a.counts = append(a.counts[:0], p.counts...)
	}
}

// account returns the account of a series, and whether the series is new.
func (e *entry) account(sd *side, b *book, p *series) (a *account, isNew bool) {
	key := p.Attrs.Equivalent()
	at := b.accounts[key]
	a = at
	for a != nil && a.seen == e.now {
		at, a = a, a.twin
	}
	if isNew = a == nil || a.seen < e.before && e.now-a.seen > e.keep; isNew { // the group may be gone as well
		if a == nil {
			a = &account{}
			if at == nil {
				b.accounts[key] = a
			} else {
				at.twin = a
			}
		}
		a.value = math.NaN()
		e.open(sd, a, p)
	}
	a.seen = e.now
	return a, isNew
}

// moved reports whether the count of a series changed, and whether it was reset.
func (a *account) moved(buckets bool, p *series) (changed, reset bool) {
	if !buckets {
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

// grow adds the growth of a series since it had other counts, or another value.
func (w *window) grow(column int, buckets bool, p *series, counts []uint64, value float64) {
	if !buckets {
		w.amount[min(column, len(w.amount)-1)] += p.Value - value
		return
	}
	for n, v := range p.counts {
		if counts != nil {
			v -= counts[n]
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
	for key, w := range e.windows {
		if e.now-w.live > e.keep {
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
			w.slots = append(w.slots, slot{e.last, make(amounts, len(w.amount))}) // it was not there at the last collection
		}
		w.add(e.at, e.span, e.keep)
	}
	for _, sd := range e.sides {
		for _, w := range []*window{&sd.overflow, &sd.missed} {
			if len(w.slots) > 0 || w.amount[0] > 0 {
				if len(w.slots) == 0 {
					w.slots = append(w.slots, slot{e.last, amounts{0}})
				}
				if infinite(w.amount[0]) {
					*w = window{amount: amounts{0}}
					continue
				}
				w.add(e.at, e.span, e.span)
			}
		}
	}
	if e.now-e.swept > e.keep {
		e.sweep()
	}
	e.fresh, e.last = false, e.at
}

// sweep drops the series that were gone for longer than the window.
func (e *entry) sweep() {
	e.swept = e.now
	for _, sd := range e.sides {
		for scope, b := range sd.scopes {
			for key, a := range b.accounts {
				if e.now-a.seen > e.keep { // a twin was seen no later
					delete(b.accounts, key)
				}
			}
			if len(b.accounts) == 0 {
				delete(sd.scopes, scope)
			}
		}
	}
}
