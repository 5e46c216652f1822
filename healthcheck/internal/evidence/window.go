package evidence

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// window is the history of one group's cumulative amounts. The difference of two cumulative
// snapshots is exact for any span, without a second aggregation.
type window struct {
	attrs  attribute.Set
	series int    // how many were summed
	slots  []slot // oldest first
}

type slot struct {
	at     time.Time
	amount amounts
}

// slotsPerWindow limits the memory of a window. It also limits how much longer than its span a
// window is: one part in 30.
const slotsPerWindow = 30

// add appends a snapshot. A decrease is a reset, so the history starts again.
func (w *window) add(at time.Time, a amounts, span, keep time.Duration) {
	if n := len(w.slots); n > 0 && decreased(w.slots[n-1].amount, a) {
		w.slots = w.slots[:0]
	}
	// Replace the newest slot until it is a slot's width younger than the one before it.
	if n := len(w.slots); n >= 2 && at.Sub(w.slots[n-2].at) < span/slotsPerWindow {
		w.slots = w.slots[:n-1]
	}
	w.slots = append(w.slots, slot{at, a})
	drop := 0
	for drop+1 < len(w.slots) && at.Sub(w.slots[drop+1].at) >= keep {
		drop++
	}
	w.slots = append(w.slots[:0], w.slots[drop:]...)
}

func decreased(old, new amounts) bool {
	if len(old) != len(new) {
		return true
	}
	for i := range old {
		if new[i] < old[i] {
			return true
		}
	}
	return false
}

// growth is the difference between the newest snapshot and an older one: the newest that is at
// least span old, or the oldest if there is none. covered is the time between the two.
func (w *window) growth(span time.Duration) (d amounts, covered time.Duration) {
	last := w.slots[len(w.slots)-1]
	base := w.slots[0]
	for _, s := range w.slots {
		if last.at.Sub(s.at) < span {
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
