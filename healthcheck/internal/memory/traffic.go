package memory

import (
	"math"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
)

// burden is the traffic that an instance is used to. It tells one that is slow
// from one that is overloaded: the overloaded one's peers can't take its work, and
// once some have left, the traffic of the others shows it.
type burden struct {
	Usual   float64   // events a second; zero while unknown
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

func (b *burden) learn(t evidence.Traffic, well bool, at time.Time) {
	passed := at.Sub(b.learned)
	b.learned = at
	switch {
	case !t.Known || t.Rate == 0:
		return // an idle instance bears no less than before
	case b.Usual == 0:
		b.Usual = t.Rate
		return
	}
	memory := falling
	switch {
	case t.Rate > b.Usual && well:
		memory = rising
	case t.Rate > b.Usual:
		memory = bearing
	}
	b.Usual += (t.Rate - b.Usual) * (1 - math.Exp(-passed.Seconds()/memory.Seconds()))
}

// crowded reports whether recent traffic is more than usual, by more than chance.
func (b *burden) crowded(t evidence.Traffic) bool {
	usual := b.Usual * t.Span.Seconds()
	return usual > 0 && t.Recent > crowd*usual
}

// times is recent traffic as a multiple of the usual.
func (b *burden) times(t evidence.Traffic) float64 { return t.Recent / (b.Usual * t.Span.Seconds()) }
