package evidence

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// amounts are the cumulative numbers of one group of series: one number for a counter, two for a
// ratio, the bucket counts for a histogram.
type amounts []float64

// window is the history of one group's growth. The growth of each series is added to the amount, so
// the amount never decreases. The difference of two snapshots is exact for any span, without a
// second aggregation.
type window struct {
	attrs   attribute.Set
	amount  amounts
	slots   []slot        // snapshots of the amount, oldest first
	live    time.Duration // when it last had a series
	based   bool          // of a ratio: it has had a series of the denominator
	began   bool          // this collection has a series that began at zero
	problem error         // why this collection can't be judged
	doubts  []growthDoubt // of recorded collections, oldest first
	broken  bool          // the last recorded collection can't be judged
	away    bool          // one of its series is missing in the last recorded collection, and may go on counting
	again   time.Time     // the last recorded collection in which a series came back; the Monitor may have forgotten the window before it
	is, was bool          // the last recorded collection, and the one before, have a series of it
}

type slot struct {
	at     time.Time
	amount amounts
}

const (
	// slotsPerWindow limits the memory of a window. It also limits how much longer than its span a
	// window is: one part in 30.
	slotsPerWindow = 30

	// early is by how much a collection may be too young for a window. Ticks come some milliseconds late,
	// sometimes more and sometimes less. Without this tolerance a window of 30 s would sometimes be 31 s
	// long. A lower limit has no tolerance, because it needs the count of the whole window.
	early = 50 * time.Millisecond

	// maxAmount leaves room below 2^53, where a float64 can't count by ones any more.
	maxAmount = 1 << 50
)

// add appends a snapshot of the amount.
func (w *window) add(at time.Time, span, keep time.Duration) {
	// Replace the newest slot until it is a slot's width younger than the one before it.
	if n := len(w.slots); n >= 2 && at.Sub(w.slots[n-2].at) < span/slotsPerWindow {
		w.slots = w.slots[:n-1]
	}
	drop := 0
	for drop < len(w.slots) && at.Sub(w.slots[drop].at) >= keep {
		drop++
	}
	drop = max(0, drop-1) // keep one snapshot that is at least keep old
	var copied amounts
	if drop > 0 && cap(w.slots[0].amount) >= len(w.amount) {
		copied = w.slots[0].amount[:len(w.amount)] // its memory is free
	} else {
		copied = make(amounts, len(w.amount))
	}
	copy(copied, w.amount)
	w.slots = append(w.slots[:0], w.slots[drop:]...)
	w.slots = append(w.slots, slot{at, copied})
	w.rebase()
}

// rebase keeps large amounts exact, by subtracting what is older than the window.
func (w *window) rebase() {
	for n, v := range w.amount {
		base := w.slots[0].amount[n]
		if v < maxAmount || base == 0 {
			continue
		}
		w.amount[n] -= base
		for _, s := range w.slots {
			s.amount[n] -= base
		}
	}
}

// growth returns the difference between the newest snapshot and an older one. The older one is the newest
// that is at least span-early old, or else the oldest. covered is the time between the two.
func (w *window) growth(span, early time.Duration) (d amounts, covered time.Duration) {
	if len(w.slots) == 0 {
		return make(amounts, max(1, len(w.amount))), 0
	}
	last := w.slots[len(w.slots)-1]
	base := w.slots[0]
	for _, s := range w.slots {
		if last.at.Sub(s.at) < span-early {
			break
		}
		base = s
	}
	d = make(amounts, len(last.amount))
	for i := range d {
		d[i] = last.amount[i] - base.amount[i]
	}
	return d, last.at.Sub(base.at)
}
