package suggest

import (
	"cmp"
	"math"
	"slices"
)

// A grid is the limits that are tried, from the one that is crossed most easily to the one that is
// crossed least.
type grid struct {
	limits []float64
	lower  bool // values below a limit cross it
	equal  bool // a value that is equal crosses it: it is the lower end of a bucket
}

// Nice numbers have two digits, from one in a million to a trillion.
const (
	firstDecade = -6
	lastDecade  = 12
)

// niceGrid has the limits that people write.
func niceGrid(lower bool) grid {
	g := grid{limits: []float64{0}, lower: lower}
	for decade := firstDecade; decade < lastDecade; decade++ {
		for m := 10; m < 100; m++ {
			g.limits = append(g.limits, nice(m, decade-1))
		}
	}
	if lower {
		slices.Reverse(g.limits)
	}
	return g
}

// nice is m × 10^e, without the rounding of a product: .1, not .1000000001.
func nice(m, e int) float64 {
	if e < 0 {
		return float64(m) / math.Pow10(-e)
	}
	return float64(m) * math.Pow10(e)
}

// boundaryGrid has the boundaries of a histogram. Only there a count beyond a limit is exact.
func boundaryGrid(boundaries []float64) grid { return grid{limits: boundaries, equal: true} }

// powerGrid has the powers of two, which are boundaries of every exponential histogram.
func powerGrid() grid {
	g := grid{equal: true}
	for e := -20; e <= 20; e++ {
		g.limits = append(g.limits, math.Ldexp(1, e))
	}
	return g
}

// crossed is how many limits a value crosses: the first ones.
func (g *grid) crossed(v float64) int {
	n, _ := slices.BinarySearchFunc(g.limits, v, func(limit, v float64) int {
		switch {
		case g.lower && v < limit, !g.lower && v > limit, g.equal && v == limit:
			return -1
		}
		return cmp.Compare(1, 0)
	})
	return n
}
