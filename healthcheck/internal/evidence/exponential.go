package evidence

import (
	"fmt"
	"math"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// exponential is the buckets of a series of an exponential histogram. Bucket i holds the values over
// 2^(i/2^scale) and at most 2^((i+1)/2^scale).
type exponential struct {
	scale     int
	offset    int // index of the first bucket
	buckets   []uint64
	threshold float64 // values up to it are in no bucket
	rest      uint64  // number of values that are in no bucket: these and the negative ones
}

// Scales beyond these are malformed.
const (
	minScale = -10
	maxScale = 20

	maxBuckets = 160 // of a grid; the SDK's default too
)

func exponentialOf[N int64 | float64](p *metricdata.ExponentialHistogramDataPoint[N]) exponential {
	x := exponential{scale: int(p.Scale), offset: int(p.PositiveBucket.Offset), buckets: p.PositiveBucket.Counts, threshold: p.ZeroThreshold, rest: p.ZeroCount}
	for _, n := range p.NegativeBucket.Counts {
		x.rest += n
	}
	return x
}

func (x *exponential) wellFormed() error {
	// No value is as high as 2^1024, so no bucket begins there.
	if x.scale < minScale || x.scale > maxScale || !(x.threshold >= 0) || math.IsInf(x.threshold, 1) ||
		len(x.buckets) > 0 && infinite(math.Exp2(math.Ldexp(float64(x.offset+len(x.buckets)-1), -x.scale))) {
		return fmt.Errorf("the exponential histogram is malformed: %d buckets of scale %d from %d", len(x.buckets), x.scale, x.offset)
	}
	return nil
}

// lowerEnd is the lower end of a bucket. Powers of two are exact. The highest bucket ends at 2^1024, and
// the highest value is a little less.
func lowerEnd(scale, index int) float64 {
	return min(math.Exp2(math.Ldexp(float64(index), -scale)), math.MaxFloat64)
}

// A grid has the buckets that the series of an exponential histogram share. It gets only wider, and its
// scale only smaller. So the counts of one grid can be moved to the next one exactly.
type grid struct {
	scale, first, last int // indexes at scale; first > last if there is no bucket
	threshold          float64
	bounds             []float64
}

func newGrid() *grid {
	g := &grid{scale: maxScale, last: -1}
	g.bound()
	return g
}

// As an explicit histogram, a grid has these buckets: up to the threshold, from there to the first bucket,
// the buckets, and one beyond them. The second and the last one are empty.
const before = 2

func (g *grid) bound() {
	g.bounds = []float64{g.threshold}
	for n := g.first; n <= g.last+1 && g.first <= g.last; n++ {
		g.bounds = append(g.bounds, max(g.threshold, lowerEnd(g.scale, n)))
	}
}

// with returns a grid that also holds a series. It returns g if g already does.
func (g *grid) with(x *exponential) *grid {
	next := *g
	next.threshold = max(g.threshold, x.threshold)
	next.scale = min(g.scale, x.scale)
	next.first, next.last = g.first>>(g.scale-next.scale), g.last>>(g.scale-next.scale)
	if g.first > g.last {
		next.first, next.last = 0, -1
	}
	if low, high, any := x.used(); any {
		low, high = low>>(x.scale-next.scale), high>>(x.scale-next.scale)
		if next.first > next.last {
			next.first, next.last = low, high
		}
		next.first, next.last = min(next.first, low), max(next.last, high)
	}
	for next.last-next.first >= maxBuckets {
		next.scale, next.first, next.last = next.scale-1, next.first>>1, next.last>>1
	}
	if next.scale == g.scale && next.first == g.first && next.last == g.last && next.threshold == g.threshold {
		return g
	}
	next.bound()
	return &next
}

// used returns the first and the last bucket with a count.
func (x *exponential) used() (low, high int, any bool) {
	for n, c := range x.buckets {
		if c == 0 {
			continue
		}
		if !any {
			low = x.offset + n
		}
		high, any = x.offset+n, true
	}
	return low, high, any
}

// counts writes the counts of a series, as an explicit histogram has them.
func (g *grid) counts(x *exponential, to []uint64) []uint64 {
	to = append(to[:0], make([]uint64, len(g.bounds)+1)...)
	to[0] = x.rest
	for n, c := range x.buckets {
		if c != 0 {
			to[g.place((x.offset+n)>>(x.scale-g.scale))] += c
		}
	}
	return to
}

// place returns the place of a bucket. Buckets below the threshold share its place.
func (g *grid) place(index int) int {
	if lowerEnd(g.scale, index+1) <= g.threshold {
		return 0
	}
	return index - g.first + before
}

// moved moves what was counted in an older grid to this one.
func moved[N uint64 | float64](from, to *grid, counts []N) []N {
	if len(counts) != len(from.bounds)+1 {
		return counts // not of this grid
	}
	out := make([]N, len(to.bounds)+1)
	for n, c := range counts {
		switch {
		case c == 0:
		case n < before:
			out[0] += c
		default:
			out[to.place((from.first+n-before)>>(from.scale-to.scale))] += c
		}
	}
	return out
}

// regrid finds the buckets for a collection of an exponential histogram, and moves earlier counts to them.
func (e *entry) regrid(read []Metric) {
	next := e.grid
	if next == nil {
		next = newGrid()
	}
	for _, m := range read {
		each(m.Data, func(p *series) {
			if p.exponential != nil && p.exponential.wellFormed() == nil {
				next = next.with(p.exponential)
			}
		})
	}
	was := e.grid
	if next == was {
		return
	}
	e.grid, e.bounds = next, next.bounds
	if was == nil {
		return
	}
	for _, w := range e.windows {
		w.move(was, next)
	}
	for _, sd := range e.sides {
		sd.overflow.move(was, next)
		for _, b := range sd.scopes {
			for _, a := range b.accounts {
				for ; a != nil; a = a.twin {
					if a.is != dropped {
						a.counts = moved(was, next, a.counts)
					}
				}
			}
		}
	}
}

func (w *window) move(from, to *grid) {
	w.amount = moved(from, to, w.amount)
	for n := range w.doubts {
		w.doubts[n].amount = moved(from, to, w.doubts[n].amount)
	}
	for n := range w.slots {
		w.slots[n].amount = moved(from, to, w.slots[n].amount)
	}
}
