package evidence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/attribute"
)

// A Measure is the indicator of one group, held against the limits.
type Measure struct {
	Group   attribute.Set
	Value   float64
	count   float64      // events in the window
	Share   float64      // for a quantile: of the events beyond the failing limit, or else the only one
	Bad     float64      // events beyond the failing limit
	Empty   bool         // too few events to judge
	Crossed *query.Bound // the worst bound crossed
	Lasting bool         // crossed over four windows too
	Ongoing bool         // and in the last third of one
}

// held holds the growth of one window against the limits. A limit on a histogram is held
// against the count beyond it. That count is exact, because a limit that is no bucket
// boundary is refused.
func held(r *query.Rule, growth amounts, bounds []float64) (m Measure, err error) {
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
		return heldQuantile(r, growth, bounds)
	}
	if !m.Empty {
		m.Crossed = worst(r, m.Value)
	}
	return m, nil
}

func heldQuantile(r *query.Rule, growth amounts, bounds []float64) (m Measure, err error) {
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
		// The allowance makes 10 of 100 not "over 10 %" in binary fractions.
		if over > m.count*(1-in.Quantile)+1e-9*m.count && (m.Crossed == nil || b.Fails()) {
			m.Crossed = b
		}
	}
	if !m.Empty {
		m.Value = quantile(in.Quantile, growth, bounds)
	}
	return m, nil
}

// worst is the bound that a value crosses, one that fails before one that warns.
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
		return 0, &query.Mistake{Field: field, Problem: fmt.Sprintf("%s is no bucket boundary of %s: %sbuild the MeterProvider with Monitor.View", text.Number(v), i.Metric, near(bounds, n))}
	}
	return total(growth[n+1:]), nil
}

// maxNear is how many boundaries on each side of a limit are named.
const maxNear = 4

// near names the boundaries around the one at n, which a limit may be.
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

// quantile interpolates within the bucket that holds it, as Prometheus'
// histogram_quantile does.
func quantile(q float64, counts amounts, bounds []float64) float64 {
	rank := q * total(counts)
	below := 0.0
	for n, c := range counts {
		if below+c < rank || c == 0 {
			below += c
			continue
		}
		switch {
		case len(bounds) == 0:
			return 0
		case n == len(bounds):
			return bounds[n-1] // beyond the last boundary nothing finer is known
		case n == 0 && bounds[0] <= 0:
			return bounds[0]
		}
		low := 0.0
		if n > 0 {
			low = bounds[n-1]
		}
		return low + (bounds[n]-low)*(rank-below)/c
	}
	return bounds[len(bounds)-1]
}
