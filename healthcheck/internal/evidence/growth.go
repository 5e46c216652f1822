package evidence

import (
	"slices"
	"time"
)

// growthRange is the growth of a group that is not known exactly.
type growthRange struct {
	low, high amounts
	open      bool // it may be higher than high, by any amount
	young     bool // the window may not be full
	never     bool // the window is certainly not full
}

// between returns the growth of a window at some time in a span. Its amounts never decrease. So at a time
// between two snapshots they are between the amounts of the two.
func (w *window) between(e *entry, at span, over time.Duration, size int) growthRange {
	g := growthRange{low: make(amounts, size), high: make(amounts, size)}
	if len(w.slots) == 0 || len(w.amount) != size {
		return g
	}
	first, oldest, earlier := w.base(e, at, over)
	end, after := w.last(at.from), w.first(at.to)
	if g.open = after < 0 || w.away; after < 0 {
		after = len(w.slots) - 1
	}
	for n := range size {
		g.high[n] = w.slots[after].amount[n] - w.slots[first].amount[n]
		if end >= 0 && oldest >= 0 {
			g.low[n] = w.slots[end].amount[n] - w.slots[oldest].amount[n]
		}
	}
	for _, d := range w.doubts {
		switch {
		case !earlier && !d.at.After(w.slots[first].at):
		case d.amount == nil:
			g.open = true
		case oldest >= 0 && !w.slots[oldest].at.After(d.from): // all of it is after the base
		case oldest >= 0 && !d.at.After(w.slots[oldest].at): // none of it is counted in low
		case !d.at.After(at.from):
			for n := range min(size, len(d.amount)) {
				g.low[n] -= d.amount[n]
			}
		}
	}
	for n := range size {
		g.low[n] = max(0, g.low[n])
		g.high[n] = max(g.low[n], g.high[n])
	}
	begun := w.slots[min(1, len(w.slots)-1)].at // the Monitor may have seen the first series later than the recording
	if len(w.doubts) > 0 && w.doubts[0].amount == nil && w.doubts[0].at.Equal(w.slots[0].at) {
		begun = w.slots[0].at // it was there before
	}
	if w.again.After(begun) {
		begun = w.again
	}
	if at.since[1].After(begun) {
		begun = at.since[1].Add(e.apart.Tick)
	}
	g.young = at.from.Sub(begun) < over+early
	g.never = at.to.Sub(w.slots[0].at) < over-early && !slices.ContainsFunc(w.doubts, func(d growthDoubt) bool { return d.amount == nil }) ||
		!at.since[0].IsZero() && at.to.Sub(at.since[0]) < over-early
	return g
}

// base returns the two snapshots around the base of a growth. The base is the newest snapshot of a Monitor
// that is old enough, or else its oldest one. earlier is set if it may be older than all of w.
func (w *window) base(e *entry, at span, over time.Duration) (first, last int, earlier bool) {
	width := e.apart.width(e.span)
	low, high := at.from.Add(-over-width), at.to.Add(-over+e.early)
	if at.since[0].After(low) {
		low = at.since[0]
	}
	if next := at.since[1].Add(e.apart.Tick); !at.since[1].IsZero() && next.After(high) {
		high = next
	}
	if at.from.Equal(at.to) && width == e.apart.Tick && !at.from.Before(e.at) && !at.since[1].After(low) {
		// The Monitor has also collected at the time of each recorded collection. If that collection is old
		// enough, and the Monitor's next one is too young, it is the base.
		if n := w.last(high.Add(-early / 2)); n >= 0 && w.slots[n].at.After(high.Add(early-e.apart.Tick)) {
			return n, n, false
		}
	}
	return max(0, w.last(low)), w.first(high), low.Before(w.slots[0].at)
}

// last returns the index of the last snapshot at or before a time; -1 if there is none.
func (w *window) last(until time.Time) int {
	n := len(w.slots) - 1
	for n >= 0 && w.slots[n].at.After(until) {
		n--
	}
	return n
}

// first returns the index of the first snapshot at or after a time; -1 if there is none.
func (w *window) first(from time.Time) int {
	n := w.last(from)
	if n >= 0 && w.slots[n].at.Equal(from) {
		return n
	}
	if n++; n == len(w.slots) {
		return -1
	}
	return n
}

// foldedBetween returns how much may have gone to the overflow series.
func (e *entry) foldedBetween(at span, over time.Duration, size int) amounts {
	out := make(amounts, size)
	for _, sd := range e.sides {
		w := &sd.overflow
		if len(w.slots) == 0 {
			continue
		}
		g := w.between(e, at, over, len(w.amount))
		for n, v := range g.high {
			if g.open {
				v = boundless
			}
			if n < size && (len(e.sides) == 1 || n == sd.column) {
				out[n] += v
			}
		}
	}
	return out
}
