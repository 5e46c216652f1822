package query

import (
	"fmt"
	"slices"
)

// A Limit is an indicator and the values it must not cross.
type Limit struct {
	Indicator Indicator
	Bounds    []Bound
}

// Bound is one edge of a limit.
type Bound struct {
	Edge  Edge
	Value float64
}

// Edge says which way a bound works. The names are those of the attribute
// health.check.limit_type.
type Edge string

const (
	MaxFail Edge = "max.fail"
	MaxWarn Edge = "max.warn"
	MinFail Edge = "min.fail"
	MinWarn Edge = "min.warn"
)

// method is how the bound is written, for who made a mistake there.
func (e Edge) method() string {
	return map[Edge]string{MaxFail: "AtMost", MaxWarn: "WarnAbove", MinFail: "AtLeast", MinWarn: "WarnBelow"}[e]
}

// Set reports whether there is a limit at all.
func (l *Limit) Set() bool { return l.Indicator.Kind != KindNone }

// at returns the bound of an edge.
func (l *Limit) at(e Edge) (float64, bool) {
	for _, b := range l.Bounds {
		if b.Edge == e {
			return b.Value, true
		}
	}
	return 0, false
}

// Lower reports whether too little is a failure.
func (l *Limit) Lower() bool {
	return slices.ContainsFunc(l.Bounds, func(b Bound) bool { return b.Lower() })
}

// Crossed reports whether a value lies beyond the bound.
func (b Bound) Crossed(v float64) bool {
	if b.Lower() {
		return v < b.Value
	}
	return v > b.Value
}

// Lower reports whether the bound is crossed from above.
func (b Bound) Lower() bool { return b.Edge == MinFail || b.Edge == MinWarn }

// Fails reports whether crossing the bound is a failure and no warning.
func (b Bound) Fails() bool { return b.Edge == MaxFail || b.Edge == MinFail }

// Validate says all that is wrong with the limit and its indicator.
func (l *Limit) Validate() (problems []string) {
	problems = l.Indicator.validate()
	add := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	if len(l.Bounds) == 0 {
		add("no limit is set: say AtMost, AtLeast, WarnAbove or WarnBelow")
	}
	seen := map[Edge]bool{}
	for _, b := range l.Bounds {
		if seen[b.Edge] {
			add("%s is said twice", b.Edge.method())
		}
		seen[b.Edge] = true
		if !Finite(b.Value) {
			add("%s(%v) is not a number", b.Edge.method(), b.Value)
		}
		if l.Indicator.Kind == KindOver && (b.Lower() && (b.Value <= 0 || b.Value > 1) || !b.Lower() && (b.Value < 0 || b.Value >= 1)) {
			add("%s(%v) of a share from 0 to 1 is crossed always or never", b.Edge.method(), b.Value)
		}
		if l.Indicator.Kind == KindQuantile && b.Lower() {
			add("%s: a quantile takes AtMost and WarnAbove only", b.Edge.method())
		}
	}
	// From the lowest: fail below, warn below, warn above, fail above.
	order := []Edge{MinFail, MinWarn, MaxWarn, MaxFail}
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
