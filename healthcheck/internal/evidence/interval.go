package evidence

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

// An interval holds a number that is not known exactly: it is at least low and at most high.
type interval struct{ low, high float64 }

// crossings returns the worst bound that a number certainly crosses, and the worst one that it may
// cross. A failing bound comes before a warning one.
func (i interval) crossings(r *query.Rule) (certain, possible *query.Bound) {
	for n := range r.Bounds {
		b := &r.Bounds[n]
		low, high := b.Crossed(i.low), b.Crossed(i.high)
		if low && high {
			certain = worse(certain, b)
		}
		if low || high {
			possible = worse(possible, b)
		}
	}
	return certain, possible
}

func worse(a, b *query.Bound) *query.Bound {
	if a == nil || b.Fails() {
		return b
	}
	return a
}

// A tail is the number of a histogram's measurements that are greater than a limit. In the bucket around the
// limit, any number of the measurements may be greater.
type tail struct {
	interval
	likely float64 // if they are spread evenly over the bucket
}

// beyond counts the measurements greater than v.
func beyond(growth amounts, bounds []float64, v float64) tail {
	if len(growth) != len(bounds)+1 {
		return tail{} // nothing was counted
	}
	n, boundary := slices.BinarySearch(bounds, v)
	above := total(growth[n+1:])
	if boundary {
		return tail{interval{above, above}, above}
	}
	share := .5 // of a bucket with one end
	if n > 0 && n < len(bounds) {
		share = (bounds[n] - v) / (bounds[n] - bounds[n-1])
	}
	return tail{interval{above, above + growth[n]}, above + share*growth[n]}
}

// inexact returns the mistake of a limit between two bucket boundaries; nil if there is none. An exponential
// histogram has no boundaries to choose, so there it is no mistake.
func inexact(r *query.Rule, e *entry) *query.Mistake {
	in := &r.Indicator
	if e.grid != nil || e.bounds == nil {
		return nil
	}
	switch in.Kind {
	case query.KindShareAbove:
		return boundary(in.Metric, "Value", e.bounds, in.Bound.Value)
	case query.KindQuantile:
		for _, b := range r.Bounds {
			if m := boundary(in.Metric, b.Edge.Field(), e.bounds, b.Value); m != nil {
				return m
			}
		}
	}
	return nil
}

// boundary returns a mistake if v is not a bucket boundary.
func boundary(metric, field string, bounds []float64, v float64) *query.Mistake {
	n, is := slices.BinarySearch(bounds, v)
	if is {
		return nil
	}
	return &query.Mistake{Field: field, Problem: fmt.Sprintf("%s is not a bucket boundary of %s: %sadd it to the buckets; in a MeterProvider Monitor.View does that", text.Number(v), metric, near(bounds, n))}
}

// maxNear is how many boundaries on each side of a limit the text names.
const maxNear = 4

// near names the boundaries around index n, as alternatives to a limit.
func near(bounds []float64, n int) string {
	low, high := max(0, n-maxNear), min(len(bounds), n+maxNear)
	if low == high {
		return ""
	}
	var all []string
	for _, b := range bounds[low:high] {
		all = append(all, text.Number(b))
	}
	return fmt.Sprintf("take one of its own (%s), or ", strings.Join(all, ", "))
}

func total(a amounts) (sum float64) {
	for _, v := range a {
		sum += v
	}
	return sum
}

// quantile interpolates within the bucket that holds the quantile, as Prometheus' histogram_quantile does.
// For certain it is only greater than low, and at most high.
func quantile(q float64, counts amounts, bounds []float64) (v, low, high float64) {
	if len(bounds) == 0 {
		return 0, math.Inf(-1), math.Inf(1)
	}
	rank := q * total(counts)
	below, last := 0.0, len(bounds)-1
	for n, c := range counts {
		if below+c < rank || c == 0 {
			below += c
			continue
		}
		switch {
		case n > last:
			return bounds[last], bounds[last], math.Inf(1) // there is no boundary above
		case n == 0 && bounds[0] <= 0:
			return bounds[0], math.Inf(-1), bounds[0]
		case n > 0:
			low = bounds[n-1]
		}
		return low + (bounds[n]-low)*(rank-below)/c, low, bounds[n]
	}
	return bounds[last], bounds[last], math.Inf(1)
}
