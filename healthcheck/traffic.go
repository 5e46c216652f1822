package healthcheck

import (
	"math"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/spec"
)

// traffic is how much an instance is asked to do: the events behind a rule, good
// and bad.
type traffic struct {
	rate   float64       // a second, over the window
	recent float64       // in the last third of it
	span   time.Duration // of that third
	known  bool          // the window is full, so that the two can be compared
}

// burden is the traffic that an instance is used to. It tells one that is slow
// from one that is overloaded: the overloaded one's peers can't take its work, and
// once some have left, the traffic of the others shows it.
type burden struct {
	usual   float64   // events a second; zero while unknown
	learned time.Time // when usual was last brought up to date
}

// crowd times the usual traffic is too much to blame the instance.
const crowd = 1.1

// How fast the usual follows the traffic, as the time constant of an exponential
// mean. Slowly upwards, or the work of peers that left would soon be usual.
const (
	falling = 2 * time.Minute
	rising  = 10 * time.Minute
	bearing = time.Hour // rising, while it is not well
)

func (b *burden) learn(t traffic, well bool, at time.Time) {
	passed := at.Sub(b.learned)
	b.learned = at
	switch {
	case !t.known || t.rate == 0:
		return // an idle instance bears no less than before
	case b.usual == 0:
		b.usual = t.rate
		return
	}
	memory := falling
	switch {
	case t.rate > b.usual && well:
		memory = rising
	case t.rate > b.usual:
		memory = bearing
	}
	b.usual += (t.rate - b.usual) * (1 - math.Exp(-passed.Seconds()/memory.Seconds()))
}

// crowded reports whether recent traffic is more than usual, by more than chance.
func (b *burden) crowded(t traffic) bool {
	usual := b.usual * t.span.Seconds()
	return usual > 0 && t.recent > crowd*usual
}

// times is recent traffic as a multiple of the usual.
func (b *burden) times(t traffic) float64 { return t.recent / (b.usual * t.span.Seconds()) }

// events is the traffic of a span. Increase counts nothing but what is bad.
func events(i *spec.Indicator, w *window, span time.Duration) float64 {
	growth, covered := w.growth(span)
	n := total(growth)
	switch i.Kind {
	case spec.KindIncrease:
		return 0
	case spec.KindRatio:
		n = growth[1]
	}
	if covered > span { // there was no snapshot just then
		n *= span.Seconds() / covered.Seconds()
	}
	return n
}
