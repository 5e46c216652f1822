package healthcheck

import (
	"fmt"
	"slices"
)

// A Limit is an [Indicator] and the values it must not cross. A value equal to a
// limit is within it. Limits in the indicator's unit: seconds for durations and
// ages, 0 to 1 for shares.
type Limit struct {
	indicator Indicator
	bounds    []bound
}

// bound is one edge of a limit.
type bound struct {
	edge  edge
	value float64
}

// edge says which way a bound works. The names are those of the attribute
// health.check.limit_type.
type edge string

const (
	maxFail edge = "max.fail"
	maxWarn edge = "max.warn"
	minFail edge = "min.fail"
	minWarn edge = "min.warn"
)

// method is how the bound is written, for who made a mistake there.
func (e edge) method() string {
	return map[edge]string{maxFail: "AtMost", maxWarn: "WarnAbove", minFail: "AtLeast", minWarn: "WarnBelow"}[e]
}

// AtMost fails the check while the indicator is greater than max.
func (i Indicator) AtMost(max float64) Limit { return Limit{indicator: i}.AtMost(max) }

// AtLeast fails the check while the indicator is less than min.
func (i Indicator) AtLeast(min float64) Limit { return Limit{indicator: i}.AtLeast(min) }

// WarnAbove warns while the indicator is greater than max.
func (i Indicator) WarnAbove(max float64) Limit { return Limit{indicator: i}.WarnAbove(max) }

// WarnBelow warns while the indicator is less than min.
func (i Indicator) WarnBelow(min float64) Limit { return Limit{indicator: i}.WarnBelow(min) }

// AtMost fails the check while the indicator is greater than max.
func (l Limit) AtMost(max float64) Limit { return l.with(maxFail, max) }

// AtLeast fails the check while the indicator is less than min.
func (l Limit) AtLeast(min float64) Limit { return l.with(minFail, min) }

// WarnAbove warns while the indicator is greater than max.
func (l Limit) WarnAbove(max float64) Limit { return l.with(maxWarn, max) }

// WarnBelow warns while the indicator is less than min.
func (l Limit) WarnBelow(min float64) Limit { return l.with(minWarn, min) }

func (l Limit) with(e edge, v float64) Limit {
	l.bounds = append(l.bounds[:len(l.bounds):len(l.bounds)], bound{e, v})
	return l
}

func (l *Limit) set() bool { return l.indicator.kind != kindNone }

// at returns the bound of an edge.
func (l *Limit) at(e edge) (float64, bool) {
	for _, b := range l.bounds {
		if b.edge == e {
			return b.value, true
		}
	}
	return 0, false
}

// lower reports whether too little is a failure.
func (l *Limit) lower() bool {
	return slices.ContainsFunc(l.bounds, func(b bound) bool { return b.lower() })
}

// crossed reports whether a value lies beyond the bound.
func (b bound) crossed(v float64) bool {
	if b.lower() {
		return v < b.value
	}
	return v > b.value
}

// lower reports whether the bound is crossed from above.
func (b bound) lower() bool { return b.edge == minFail || b.edge == minWarn }

// fails reports whether crossing the bound is a failure and no warning.
func (b bound) fails() bool { return b.edge == maxFail || b.edge == minFail }

func (l *Limit) validate() (problems []string) {
	problems = l.indicator.validate()
	add := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	if len(l.bounds) == 0 {
		add("no limit is set: say AtMost, AtLeast, WarnAbove or WarnBelow")
	}
	seen := map[edge]bool{}
	for _, b := range l.bounds {
		if seen[b.edge] {
			add("%s is said twice", b.edge.method())
		}
		seen[b.edge] = true
		if !finite(b.value) {
			add("%s(%v) is not a number", b.edge.method(), b.value)
		}
		if l.indicator.kind == kindOver && (b.lower() && (b.value <= 0 || b.value > 1) || !b.lower() && (b.value < 0 || b.value >= 1)) {
			add("%s(%v) of a share from 0 to 1 is crossed always or never", b.edge.method(), b.value)
		}
		if l.indicator.kind == kindQuantile && b.lower() {
			add("%s: a quantile takes AtMost and WarnAbove only", b.edge.method())
		}
	}
	// From the lowest: fail below, warn below, warn above, fail above.
	order := []edge{minFail, minWarn, maxWarn, maxFail}
	for i, low := range order {
		for _, high := range order[i+1:] {
			lv, ok1 := l.at(low)
			hv, ok2 := l.at(high)
			if ok1 && ok2 && lv >= hv {
				add("%s(%v) contradicts %s(%v)", low.method(), lv, high.method(), hv)
			}
		}
	}
	return problems
}
