package healthcheck

import (
	"fmt"
	"slices"

	"github.com/otelhealth/otelhealth/healthcheck/internal/spec"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/attribute"
)

// measure is the indicator of one group, held against the limit.
type measure struct {
	group   attribute.Set
	value   float64
	count   float64     // events in the window
	share   float64     // for a quantile: of the events beyond the failing limit, or else the only one
	bad     float64     // events beyond the failing limit
	empty   bool        // too few events to judge
	crossed *spec.Bound // the worst bound crossed
	lasting bool        // crossed over four windows too
	still   bool        // and in the last third of one
}

// held judges the growth of one window. For a histogram, a limit is held
// against the count beyond it, which is exact where the limit is a bucket
// boundary and refused where it is not.
func held(l *spec.Limit, growth amounts, bounds []float64) (m measure, err error) {
	in := &l.Indicator
	switch in.Kind {
	case spec.KindIncrease:
		m.count, m.bad, m.value = growth[0], growth[0], growth[0]
	case spec.KindRatio:
		m.count, m.bad = growth[1], growth[0]
		m.empty = m.count <= 0 || m.count < in.MinEvents
		if !m.empty {
			m.value = growth[0] / growth[1]
		}
	case spec.KindOver:
		m.count = total(growth)
		if m.bad, err = beyond(in, growth, bounds, in.Bound); err != nil {
			return m, err
		}
		m.empty = m.count == 0 || m.count < in.MinEvents
		if !m.empty {
			m.value = m.bad / m.count
		}
	case spec.KindQuantile:
		return heldQuantile(l, growth, bounds)
	}
	if !m.empty {
		m.crossed = worst(l, m.value)
	}
	return m, nil
}

func heldQuantile(l *spec.Limit, growth amounts, bounds []float64) (m measure, err error) {
	in := &l.Indicator
	m.count = total(growth)
	m.empty = m.count == 0 || m.count < in.MinEvents
	for n := range l.Bounds {
		b := &l.Bounds[n]
		over, err := beyond(in, growth, bounds, b.Value)
		if err != nil {
			return m, err
		}
		if b.Edge == spec.MaxFail || m.bad == 0 {
			m.bad = over
		}
		if m.empty {
			continue
		}
		if b.Edge == spec.MaxFail || len(l.Bounds) == 1 {
			m.share = over / m.count
		}
		// The allowance makes 10 of 100 not "over 10 %" in binary fractions.
		if over > m.count*(1-in.Quantile)+1e-9*m.count && (m.crossed == nil || b.Fails()) {
			m.crossed = b
		}
	}
	if !m.empty {
		m.value = quantile(in.Quantile, growth, bounds)
	}
	return m, nil
}

// worst is the bound that a value crosses, one that fails before one that warns.
func worst(l *spec.Limit, v float64) (worst *spec.Bound) {
	for n := range l.Bounds {
		if b := &l.Bounds[n]; b.Crossed(v) && (worst == nil || b.Fails()) {
			worst = b
		}
	}
	return worst
}

// beyond counts the measurements greater than v.
func beyond(i *spec.Indicator, growth amounts, bounds []float64, v float64) (float64, error) {
	n, exact := slices.BinarySearch(bounds, v)
	if !exact {
		return 0, fmt.Errorf("%s: %s is no bucket boundary; build the MeterProvider with Monitor.View, or take one of the histogram's own", i.Metric, text.Number(v))
	}
	return total(growth[n+1:]), nil
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
