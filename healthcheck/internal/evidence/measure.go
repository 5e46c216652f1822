package evidence

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/attribute"
)

// A Measure is the value of one group, compared with the limits.
type Measure struct {
	Group   attribute.Set
	Value   float64
	Low     float64      // of a quantile: it is over Low
	High    float64      // and at most High; +Inf beyond the last boundary
	count   float64      // events in the window
	Share   float64      // of a quantile: the share of events beyond the failing limit, or beyond the only limit
	Bad     float64      // events beyond the failing limit
	Empty   bool         // too few events to judge
	Crossed *query.Bound // the worst bound crossed
	Lasting bool         // crossed over four windows too
	Ongoing bool         // and in the last third of the window
}

// compare compares the growth of one window with the limits. For a histogram it compares the count
// beyond a limit. This count is exact, because a limit must be a bucket boundary.
func compare(r *query.Rule, growth amounts, bounds []float64) (m Measure, err error) {
	in := &r.Indicator
	switch in.Kind {
	case query.KindIncrease:
		m.count, m.Bad, m.Value = growth[0], growth[0], growth[0]
	case query.KindRatio:
		m.count, m.Bad = growth[1], growth[0]
		m.Empty = m.count <= 0 || m.count < in.MinEvents
		if !m.Empty {
			m.Value = growth[0] / growth[1]
		}
	case query.KindShareAbove:
		m.count = total(growth)
		if m.Bad, err = beyond(in, "Value", growth, bounds, in.Bound.Value); err != nil {
			return m, err
		}
		m.Empty = m.count == 0 || m.count < in.MinEvents
		if !m.Empty {
			m.Value = m.Bad / m.count
		}
	case query.KindQuantile:
		return compareQuantile(r, growth, bounds)
	}
	if !m.Empty {
		m.Crossed = worst(r, m.Value)
	}
	return m, nil
}

func compareQuantile(r *query.Rule, growth amounts, bounds []float64) (m Measure, err error) {
	in := &r.Indicator
	m.count = total(growth)
	m.Empty = m.count == 0 || m.count < in.MinEvents
	for n := range r.Bounds {
		b := &r.Bounds[n]
		over, err := beyond(in, b.Edge.Field(), growth, bounds, b.Value)
		if err != nil {
			return m, err
		}
		counts := b.Edge == query.MaxFail || len(r.Bounds) == 1
		if counts {
			m.Bad = over
		}
		if m.Empty {
			continue
		}
		if counts {
			m.Share = over / m.count
		}
		// The tolerance absorbs the rounding of binary fractions: 10 of 100 are not over 10 %.
		if over > m.count*(1-in.Quantile)+1e-9*m.count && (m.Crossed == nil || b.Fails()) {
			m.Crossed = b
		}
	}
	if !m.Empty {
		m.Value, m.Low, m.High = quantile(in.Quantile, growth, bounds)
	}
	return m, nil
}

// worst returns the bound that a value crosses. A failing bound comes before a warning one.
func worst(r *query.Rule, v float64) (worst *query.Bound) {
	for n := range r.Bounds {
		if b := &r.Bounds[n]; b.Crossed(v) && (worst == nil || b.Fails()) {
			worst = b
		}
	}
	return worst
}

// beyond counts the measurements greater than v.
func beyond(i *query.Indicator, field string, growth amounts, bounds []float64, v float64) (float64, error) {
	n, exact := slices.BinarySearch(bounds, v)
	if !exact {
		return 0, &query.Mistake{Field: field, Problem: fmt.Sprintf("%s is not a bucket boundary of %s: %sadd it to the buckets; in a MeterProvider Monitor.View does that", text.Number(v), i.Metric, near(bounds, n))}
	}
	return total(growth[n+1:]), nil
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

// quantile interpolates within the bucket that holds it, as Prometheus' histogram_quantile does.
// Only the bucket is known: the quantile is over low, and at most high.
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
