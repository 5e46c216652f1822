package suggest

import (
	"cmp"
	"math"
	"slices"
)

// A grid has the limits that are tried, from the one that is crossed most often to the one that is crossed
// least often.
type grid struct {
	limits []float64
	lower  bool // values below a limit cross it
	equal  bool // a value equal to a limit crosses it, because values are the lower ends of buckets
}

// Nice numbers have two digits, from a millionth to a trillion.
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

// crossed returns how many limits a value crosses. They are the first ones of the grid.
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
