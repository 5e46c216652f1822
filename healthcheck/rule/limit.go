package rule

import "github.com/otelhealth/otelhealth/healthcheck/internal/query"

// A Limit is an [Indicator] and the values it must not cross. A value equal to a
// limit is within it. Limits in the indicator's unit: seconds for durations and
// ages, 0 to 1 for shares.
type Limit query.Limit

// AtMost fails the check while the indicator is greater than max.
func (i Indicator) AtMost(max float64) Limit { return Limit{Indicator: query.Indicator(i)}.AtMost(max) }

// AtLeast fails the check while the indicator is less than min.
func (i Indicator) AtLeast(min float64) Limit {
	return Limit{Indicator: query.Indicator(i)}.AtLeast(min)
}

// WarnAbove warns while the indicator is greater than max.
func (i Indicator) WarnAbove(max float64) Limit {
	return Limit{Indicator: query.Indicator(i)}.WarnAbove(max)
}

// WarnBelow warns while the indicator is less than min.
func (i Indicator) WarnBelow(min float64) Limit {
	return Limit{Indicator: query.Indicator(i)}.WarnBelow(min)
}

// AtMost fails the check while the indicator is greater than max.
func (l Limit) AtMost(max float64) Limit { return l.with(query.MaxFail, max) }

// AtLeast fails the check while the indicator is less than min.
func (l Limit) AtLeast(min float64) Limit { return l.with(query.MinFail, min) }

// WarnAbove warns while the indicator is greater than max.
func (l Limit) WarnAbove(max float64) Limit { return l.with(query.MaxWarn, max) }

// WarnBelow warns while the indicator is less than min.
func (l Limit) WarnBelow(min float64) Limit { return l.with(query.MinWarn, min) }

func (l Limit) with(e query.Edge, v float64) Limit {
	l.Bounds = append(l.Bounds[:len(l.Bounds):len(l.Bounds)], query.Bound{Edge: e, Value: v})
	return l
}
