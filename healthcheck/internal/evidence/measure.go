package evidence

import (
	"fmt"
	"slices"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/attribute"
)

// measure is the indicator of one group, held against the limit.
type Measure struct {
	Group   attribute.Set
	Value   float64
	count   float64      // events in the window
	Share   float64      // for a quantile: of the events beyond the failing limit, or else the only one
	Bad     float64      // events beyond the failing limit
	Empty   bool         // too few events to judge
	Crossed *query.Bound // the worst bound crossed
	Lasting bool         // crossed over four windows too
	Still   bool         // and in the last third of one
}

// held judges the growth of one window. For a histogram, a limit is held
// against the count beyond it, which is exact where the limit is a bucket
// boundary and refused where it is not.
func held(l *query.Limit, growth Amounts, bounds []float64) (m Measure, err error) {
	in := &l.Indicator
	switch in.Kind {
	case query.KindIncrease:
		m.count, m.Bad, m.Value = growth[0], growth[0], growth[0]
	case query.KindRatio:
		m.count, m.Bad = growth[1], growth[0]
		m.Empty = m.count <= 0 || m.count < in.MinEvents
		if !m.Empty {
			m.Value = growth[0] / growth[1]
		}
	case query.KindOver:
		m.count = total(growth)
		if m.Bad, err = beyond(in, growth, bounds, in.Bound); err != nil {
			return m, err
		}
		m.Empty = m.count == 0 || m.count < in.MinEvents
		if !m.Empty {
			m.Value = m.Bad / m.count
		}
	case query.KindQuantile:
		return heldQuantile(l, growth, bounds)
	}
	if !m.Empty {
		m.Crossed = worst(l, m.Value)
	}
	return m, nil
}

func heldQuantile(l *query.Limit, growth Amounts, bounds []float64) (m Measure, err error) {
	in := &l.Indicator
	m.count = total(growth)
	m.Empty = m.count == 0 || m.count < in.MinEvents
	for n := range l.Bounds {
		b := &l.Bounds[n]
		over, err := beyond(in, growth, bounds, b.Value)
		if err != nil {
			return m, err
		}
		if b.Edge == query.MaxFail || m.Bad == 0 {
			m.Bad = over
		}
		if m.Empty {
			continue
		}
		if b.Edge == query.MaxFail || len(l.Bounds) == 1 {
			m.Share = over / m.count
		}
		// The allowance makes 10 of 100 not "over 10 %" in binary fractions.
		if over > m.count*(1-in.Quantile)+1e-9*m.count && (m.Crossed == nil || b.Fails()) {
			m.Crossed = b
		}
	}
	if !m.Empty {
		m.Value = Quantile(in.Quantile, growth, bounds)
	}
	return m, nil
}

// worst is the bound that a value crosses, one that fails before one that warns.
func worst(l *query.Limit, v float64) (worst *query.Bound) {
	for n := range l.Bounds {
		if b := &l.Bounds[n]; b.Crossed(v) && (worst == nil || b.Fails()) {
			worst = b
		}
	}
	return worst
}

// beyond counts the measurements greater than v.
func beyond(i *query.Indicator, growth Amounts, bounds []float64, v float64) (float64, error) {
	n, exact := slices.BinarySearch(bounds, v)
	if !exact {
		return 0, fmt.Errorf("%s: %s is no bucket boundary; build the MeterProvider with Monitor.View, or take one of the histogram's own", i.Metric, text.Number(v))
	}
	return total(growth[n+1:]), nil
}

func total(a Amounts) (sum float64) {
	for _, v := range a {
		sum += v
	}
	return sum
}

// quantile interpolates within the bucket that holds it, as Prometheus'
// histogram_quantile does.
func Quantile(q float64, counts Amounts, bounds []float64) float64 {
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
