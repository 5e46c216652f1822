package healthcheck

import (
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
)

// measure is the indicator of one group, held against the limit.
type measure struct {
	group   attribute.Set
	value   float64
	count   float64 // events in the window
	share   float64 // for a quantile: of the events beyond the failing limit, or else the only one
	bad     float64 // events beyond the failing limit
	empty   bool    // too few events to judge
	crossed *bound  // the worst bound crossed
	lasting bool    // crossed over four windows too
	still   bool    // and in the last third of one
}

// held judges the growth of one window. For a histogram, a limit is held
// against the count beyond it, which is exact where the limit is a bucket
// boundary and refused where it is not.
func held(l *Limit, growth amounts, bounds []float64) (m measure, err error) {
	in := &l.indicator
	switch in.kind {
	case kindIncrease:
		m.count, m.bad, m.value = growth[0], growth[0], growth[0]
	case kindRatio:
		m.count, m.bad = growth[1], growth[0]
		m.empty = m.count <= 0 || m.count < in.minCount
		if !m.empty {
			m.value = growth[0] / growth[1]
		}
	case kindOver:
		m.count = total(growth)
		if m.bad, err = beyond(in, growth, bounds, in.bound); err != nil {
			return m, err
		}
		m.empty = m.count == 0 || m.count < in.minCount
		if !m.empty {
			m.value = m.bad / m.count
		}
	case kindQuantile:
		return heldQuantile(l, growth, bounds)
	}
	if !m.empty {
		m.crossed = worst(l, m.value)
	}
	return m, nil
}

func heldQuantile(l *Limit, growth amounts, bounds []float64) (m measure, err error) {
	in := &l.indicator
	m.count = total(growth)
	m.empty = m.count == 0 || m.count < in.minCount
	for n := range l.bounds {
		b := &l.bounds[n]
		over, err := beyond(in, growth, bounds, b.value)
		if err != nil {
			return m, err
		}
		if b.edge == maxFail || m.bad == 0 {
			m.bad = over
		}
		if m.empty {
			continue
		}
		if b.edge == maxFail || len(l.bounds) == 1 {
			m.share = over / m.count
		}
		// The allowance makes 10 of 100 not "over 10 %" in binary fractions.
		if over > m.count*(1-in.quantile)+1e-9*m.count && (m.crossed == nil || b.fails()) {
			m.crossed = b
		}
	}
	if !m.empty {
		m.value = quantile(in.quantile, growth, bounds)
	}
	return m, nil
}

// worst is the bound that a value crosses, one that fails before one that warns.
func worst(l *Limit, v float64) (worst *bound) {
	for n := range l.bounds {
		if b := &l.bounds[n]; b.crossed(v) && (worst == nil || b.fails()) {
			worst = b
		}
	}
	return worst
}

// beyond counts the measurements greater than v.
func beyond(i *Indicator, growth amounts, bounds []float64, v float64) (float64, error) {
	n, exact := slices.BinarySearch(bounds, v)
	if !exact {
		return 0, fmt.Errorf("%s: %s is no bucket boundary; build the MeterProvider with Monitor.View, or take one of the histogram's own", i.metric, number(v))
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

// grave reports whether evidence from traffic may take the instance out: the
// limit is crossed over the long window too, by more than a handful of events.
func (m *measure) grave() bool {
	return m.lasting && (m.crossed.lower() || m.bad >= minBad)
}

// worse orders groups so that the one that decides comes first: by state, then
// by value, then by name. Of a core check on traffic, a grave crossing is worse
// than one that is not.
func worse(a, b *measure, traffic bool) bool {
	rank := func(m *measure) int {
		switch {
		case m.crossed == nil && m.empty:
			return 0
		case m.crossed == nil:
			return 1
		case !m.crossed.fails(), traffic && !m.grave():
			return 2
		}
		return 3
	}
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra > rb
	}
	if a.value != b.value {
		return (a.value > b.value) != (a.crossed != nil && a.crossed.lower())
	}
	return groupName(a.group) < groupName(b.group)
}
