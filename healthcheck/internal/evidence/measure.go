package evidence

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// A Measure is the value of one group, compared with the limits.
type Measure struct {
	Group   attribute.Set
	Value   float64
	Low     float64      // of a quantile: it is greater than Low
	High    float64      // and at most High; +Inf beyond the last boundary
	Share   float64      // of a quantile: the share of events beyond the failing limit, or beyond the only limit
	Bad     float64      // events that are certainly beyond the failing limit
	Empty   bool         // too few events to judge
	Events  float64      // if Empty: how many there are
	Crossed *query.Bound // the worst bound crossed for certain
	Doubt   *Doubt       // a worse one may be crossed; nil if it is not
	Lasting bool         // also crossed over four windows
	Ongoing bool         // also crossed in the last third of the window
}

// A Doubt is a bound that may be crossed. The compared number lies between two numbers. It is the value, or
// for a quantile the share of events beyond the bound.
type Doubt struct {
	Bound     *query.Bound
	Low, High float64
}

// compare compares the growth of one window with the limits. For a histogram it compares the count
// beyond a limit, which is exact if the limit is a bucket boundary. folded is what went to the
// overflow series in the same time: any part of it may belong to this group.
func compare(r *query.Rule, growth, folded amounts, bounds []float64) (m Measure) {
	switch in := &r.Indicator; in.Kind {
	case query.KindIncrease:
		m.Bad, m.Value = growth[0], growth[0]
		m.decide(r, interval{growth[0], growth[0] + folded[0]})
	case query.KindRatio:
		m.compareRatio(r, growth, folded)
	case query.KindShareAbove:
		m.compareShare(r, growth, folded, bounds)
	case query.KindQuantile:
		m.compareQuantile(r, growth, folded, bounds)
	}
	return m
}

// A census is the number of events in a window.
type census struct {
	count  float64 // events of the group
	folded float64 // events of the overflow series; any part of them may belong to the group
	least  float64 // with fewer events, a group is not judged
}

// none reports whether the group has too few events even with all folded ones.
func (c census) none() bool { return !c.enough(c.count + c.folded) }

func (c census) enough(n float64) bool { return n > 0 && n >= c.least }

// ends returns the lowest and the highest possible share of events over a limit. over counts those of the
// group, and hidden those of the overflow series.
func (c census) ends(over, hidden tail) (low, high part) {
	return part{over.low, c.count + c.folded - hidden.low}, part{over.high + hidden.high, max(c.count+hidden.high, c.least)}
}

// A part is n of all.
type part struct{ n, all float64 }

func (p part) share() float64 {
	if p.all <= 0 {
		return 0
	}
	return p.n / p.all
}

// count notes whether the group has too few events.
func (m *Measure) count(c census) {
	if m.Empty = !c.enough(c.count); m.Empty {
		m.Events = c.count
	}
}

func (m *Measure) compareShare(r *query.Rule, growth, folded amounts, bounds []float64) {
	in := &r.Indicator
	c := census{total(growth), total(folded), in.MinEvents}
	over, hidden := beyond(growth, bounds, in.Bound.Value), beyond(folded, bounds, in.Bound.Value)
	m.Bad = over.low
	m.count(c)
	if !m.Empty {
		m.Value = over.likely / c.count
	}
	if !c.none() {
		low, high := c.ends(over, hidden)
		m.decide(r, interval{low.share(), high.share()})
	}
}

func (m *Measure) compareRatio(r *query.Rule, growth, folded amounts) {
	in := &r.Indicator
	c := census{growth[1], folded[1], in.MinEvents}
	m.Bad = growth[0]
	m.count(c)
	if !m.Empty {
		m.Value = growth[0] / growth[1]
	}
	if c.none() {
		return
	}
	low, high := part{growth[0], c.count + c.folded}, part{growth[0] + folded[0], c.count}
	if in.Part() && c.folded > 0 { // a folded event of the numerator counts in the denominator too
		high.all += folded[0]
	}
	high.all = max(high.all, c.least)
	value := interval{low.share(), high.share()}
	if in.Part() {
		value.high = min(value.high, 1)
	}
	m.decide(r, value)
}

func (m *Measure) compareQuantile(r *query.Rule, growth, folded amounts, bounds []float64) {
	in := &r.Indicator
	c := census{total(growth), total(folded), in.MinEvents}
	m.count(c)
	// The tolerance absorbs the rounding of binary fractions: 10 of 100 are not over 10 %.
	crossed := func(p part) bool { return p.n > p.all*(1-in.Quantile)+1e-9*p.all }
	var certain *query.Bound
	for n := range r.Bounds {
		b := &r.Bounds[n]
		over, hidden := beyond(growth, bounds, b.Value), beyond(folded, bounds, b.Value)
		if b.Edge == query.MaxFail || len(r.Bounds) == 1 {
			m.Bad = over.low
			if !m.Empty {
				m.Share = over.likely / c.count
			}
		}
		low, high := c.ends(over, hidden)
		if crossed(low) {
			certain = worse(certain, b)
		}
		if crossed(high) && (m.Doubt == nil || b.Fails()) {
			m.Doubt = &Doubt{b, low.share(), high.share()}
		}
	}
	if !m.Empty {
		m.Value, m.Low, m.High = quantile(in.Quantile, growth, bounds)
	}
	m.settle(certain, c.none())
}

// decide compares the value with the bounds.
func (m *Measure) decide(r *query.Rule, value interval) {
	certain, possible := value.crossings(r)
	if possible != nil {
		m.Doubt = &Doubt{possible, value.low, value.high}
	}
	m.settle(certain, false)
}

// settle decides what is crossed. If the group may have too few events, no crossing is certain. A
// doubt counts only if it is worse than what is certain.
func (m *Measure) settle(certain *query.Bound, none bool) {
	if !m.Empty {
		m.Crossed = certain
	}
	if d := m.Doubt; d != nil && (none || m.Crossed != nil && (m.Crossed.Fails() || !d.Bound.Fails())) {
		m.Doubt = nil
	}
}
