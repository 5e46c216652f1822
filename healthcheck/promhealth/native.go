package promhealth

import (
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// native counts the observations of a native histogram between limits. A bucket that contains a
// limit does not count as beyond it.
func native(h *dto.Histogram, limits []float64) []uint64 {
	counts := make([]uint64, len(limits)+1)
	put := func(lower float64, n uint64) { // of a bucket that begins at lower
		at, is := slices.BinarySearch(limits, lower)
		if is {
			at++
		}
		counts[at] += n
	}
	put(-h.GetZeroThreshold(), h.GetZeroCount())
	base := math.Pow(2, math.Pow(2, -float64(h.GetSchema())))
	each(h.PositiveSpan, h.PositiveDelta, func(index int, n uint64) { put(start(base, index), n) })
	each(h.NegativeSpan, h.NegativeDelta, func(index int, n uint64) { put(-math.Pow(base, float64(index)), n) })
	return counts
}

// start returns the lower boundary of a bucket. It rounds, because a power is not exact, and a limit
// that is a boundary must be equal to it.
func start(base float64, index int) float64 {
	v := math.Pow(base, float64(index-1))
	if r := math.Round(v*1e12) / 1e12; math.Abs(r-v) < 1e-13*v {
		return r
	}
	return v
}

// each calls f for every bucket of the spans.
func each(spans []*dto.BucketSpan, deltas []int64, f func(index int, n uint64)) {
	index, at, n := 0, 0, int64(0)
	for _, s := range spans {
		index += int(s.GetOffset())
		for range s.GetLength() {
			if at == len(deltas) {
				return
			}
			n += deltas[at]
			at++
			f(index, uint64(n))
			index++
		}
	}
}

// around adds boundaries around limits, so that the shown value of a native histogram is right
// within a factor of two near the limits.
func around(limits []float64) (all []float64) {
	for _, l := range limits {
		for _, factor := range []float64{.125, .25, .5, 1, 2, 4, 8} {
			all = append(all, l*factor)
		}
	}
	return merge(all, nil)
}

// merge is the sorted union.
func merge(a, b []float64) []float64 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
