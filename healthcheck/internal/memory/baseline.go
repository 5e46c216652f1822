package memory

import (
	"math"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
)

// baseline is an instance's usual traffic. It distinguishes a slow instance from an overloaded one. An
// overloaded instance is not ejected, because its peers can't take its work either. If peers are out, the
// traffic of the other instances is above their baseline.
type baseline struct {
	rate    float64   // events a second; zero while unknown
	learned time.Time // last update of rate
}

// An instance with more than overload times its usual traffic is overloaded and not slow.
const overload = 1.1

// The time constants of the exponential mean. The baseline rises slowly. Otherwise the work of peers that are
// out would soon be usual traffic.
const (
	falling    = 2 * time.Minute
	rising     = 10 * time.Minute
	risingSick = time.Hour // while a limit is crossed
)

func (b *baseline) learn(t evidence.Traffic, well bool, at time.Time) {
	passed := at.Sub(b.learned)
	b.learned = at
	switch {
	case !t.Known || t.Rate == 0:
		return // an idle instance can still serve its usual traffic
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

// exceeded reports whether recent traffic is clearly above the usual.
func (b *baseline) exceeded(t evidence.Traffic) bool {
	usual := b.rate * t.Span.Seconds()
	return usual > 0 && t.Recent > overload*usual
}

// times returns recent traffic as a multiple of the usual.
func (b *baseline) times(t evidence.Traffic) float64 { return t.Recent / (b.rate * t.Span.Seconds()) }
