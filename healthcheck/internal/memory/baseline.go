package memory

import (
	"math"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
)

// baseline is an instance's usual traffic. It tells a slow instance from an overloaded one:
// the peers of an overloaded one can't take its work, and once some of them have left, the
// traffic of the others shows it.
type baseline struct {
	rate    float64   // events a second; zero while unknown
	learned time.Time // when rate was last brought up to date
}

// overload times the usual traffic is too much to blame the instance.
const overload = 1.1

// How fast the baseline follows the traffic, as the time constant of an exponential
// mean. Slowly upwards, or the work of peers that left would soon be usual.
const (
	falling    = 2 * time.Minute
	rising     = 10 * time.Minute
	risingSick = time.Hour // while the instance is not well
)

func (b *baseline) learn(t evidence.Traffic, well bool, at time.Time) {
	passed := at.Sub(b.learned)
	b.learned = at
	switch {
	case !t.Known || t.Rate == 0:
		return // an idle instance bears no less than before
	case b.rate == 0:
		b.rate = t.Rate
		return
	}
	constant := falling
	switch {
	case t.Rate > b.rate && well:
		constant = rising
	case t.Rate > b.rate:
		constant = risingSick
	}
	b.rate += (t.Rate - b.rate) * (1 - math.Exp(-passed.Seconds()/constant.Seconds()))
}

// exceeded reports whether recent traffic is more than usual, by more than chance.
func (b *baseline) exceeded(t evidence.Traffic) bool {
	usual := b.rate * t.Span.Seconds()
	return usual > 0 && t.Recent > overload*usual
}

// times is recent traffic as a multiple of the usual.
func (b *baseline) times(t evidence.Traffic) float64 { return t.Recent / (b.rate * t.Span.Seconds()) }
