package query

import (
	"fmt"
	"math"
	"time"
)

// A Rule is an indicator and the bounds of its value.
type Rule struct {
	Indicator Indicator
	Bounds    []Bound
}

// A Bound is one edge of a rule.
type Bound struct {
	Edge Edge
	Number
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

// Field is the field of a rule that has the bound.
func (e Edge) Field() string {
	if e == MaxFail || e == MinFail {
		return "Fail"
	}
	return "Warn"
}

// method is the function of package rule that makes the bound.
func (e Edge) method() string {
	if e == MinFail || e == MinWarn {
		return "Below"
	}
	return "Above"
}

// Lower reports whether values below the bound cross it.
func (b Bound) Lower() bool { return b.Edge == MinFail || b.Edge == MinWarn }

// Fails reports whether crossing the bound is a failure, not a warning.
func (b Bound) Fails() bool { return b.Edge == MaxFail || b.Edge == MinFail }

// Crossed reports whether a value lies beyond the bound. A value equal to it does not.
func (b Bound) Crossed(v float64) bool {
	if b.Lower() {
		return v < b.Value
	}
	return v > b.Value
}

func (b Bound) String() string { return fmt.Sprintf("%s(%s)", b.Edge.method(), b.Number) }

// Lower reports whether the bounds of the rule are lower ones.
func (r *Rule) Lower() bool { return len(r.Bounds) > 0 && r.Bounds[0].Lower() }

// A Mistake is a mistake in one field of a rule.
type Mistake struct{ Field, Problem string }

func (m *Mistake) Error() string { return m.Field + ": " + m.Problem }

// Validate returns all mistakes in the rule that can be found without its metric.
func (r *Rule) Validate() (all []*Mistake) {
	add := func(field, format string, a ...any) { all = append(all, &Mistake{field, fmt.Sprintf(format, a...)}) }
	i := &r.Indicator
	i.validate(add)
	if len(r.Bounds) == 0 {
		add("Fail", "neither Fail nor Warn is set: write rule.Above or rule.Below")
	}
	for _, bad := range r.mistyped() {
		add(bad.Field, "%s", bad.Problem)
	}
	for _, b := range r.Bounds {
		switch {
		case !Finite(b.Value):
			add(b.Edge.Field(), "%v is not a number", b)
		case b.Lower() && i.Kind == KindQuantile:
			add(b.Edge.Field(), "%v: a Quantile can't have a lower limit: write rule.Above", b)
		case b.Value < 0 && i.Kind == KindTimeSince:
			add(b.Edge.Field(), "%v: the time since a moment is not negative: write rule.TimeUntil", b)
		default:
			if p := i.pointless(b); p != "" {
				add(b.Edge.Field(), "%v %s", b, p)
			}
		}
	}
	if len(r.Bounds) == 2 {
		fail, warn := r.Bounds[0], r.Bounds[1]
		switch {
		case fail.Lower() != warn.Lower():
			add("Warn", "%v and Fail: %v are on two sides: write two rules", warn, fail)
		case fail.Duration != warn.Duration:
			add("Warn", "%v and Fail: %v differ in type: write both as a time.Duration, or both as a number", warn, fail)
		case fail.Lower() && warn.Value <= fail.Value, !fail.Lower() && warn.Value >= fail.Value:
			add("Warn", "%v is not crossed before Fail: %v", warn, fail)
		}
	}
	return all
}

// pointless returns why a bound is always or never crossed; empty if the bound is useful.
func (i *Indicator) pointless(b Bound) string {
	low, high := math.Inf(-1), math.Inf(1)
	switch {
	case i.Kind == KindIncrease, i.Kind == KindRatio && i.Windowed():
		low = 0 // counts
	case i.Kind == KindShareAbove:
		low, high = 0, 1
	}
	if i.Part() {
		high = 1
	}
	if b.Duration && i.Kind == KindQuantile {
		low = 0
	}
	unit := ""
	if high == 1 {
		unit = ": a share is from 0 to 1"
	}
	switch {
	case b.Lower() && b.Value <= low, !b.Lower() && b.Value >= high:
		return "is never crossed" + unit
	case b.Lower() && b.Value > high, !b.Lower() && b.Value < low:
		return "is always crossed" + unit
	}
	return ""
}

// mistyped returns the bounds whose type does not fit the indicator or the name of the metric.
func (r *Rule) mistyped() (all []*Mistake) {
	i := &r.Indicator
	named := TimeUnit(i.Metric, "") // _seconds and the like
	check := func(n Number, unit, field string) {
		if _, err := n.in(unit, field, i.Metric); err != nil && Finite(n.Value) {
			if m, ok := err.(*Mistake); ok {
				all = append(all, m)
			}
		}
	}
	if i.Kind == KindShareAbove && named != "" {
		check(i.Bound, named, "Value")
	}
	unit := ""
	switch i.Kind {
	case KindTimeSince, KindTimeUntil, KindShareAbove, KindRatio:
		unit = i.Unit("", "")
	case KindLast, KindQuantile:
		unit = named
	}
	for _, b := range r.Bounds {
		if unit != "" {
			check(b.Number, unit, b.Edge.Field())
		}
	}
	return all
}

// Resolved returns the rule with each number in the unit of its metric. unit and kind are the
// metric's; kind is empty if it is not known yet.
func (r *Rule) Resolved(unit, kind string) (*Rule, error) {
	out := Rule{Indicator: r.Indicator, Bounds: append([]Bound(nil), r.Bounds...)}
	i := &out.Indicator
	if i.Kind.OfTime() && unit != "" && unit != "1" && Seconds(unit) == 0 {
		return nil, &Mistake{"Value", fmt.Sprintf("%s is in %q, and TimeSince and TimeUntil read a time: seconds since 1970, or another unit of time", i.Metric, unit)}
	}
	if i.Kind == KindShareAbove {
		n, err := i.Bound.in(TimeUnit(i.Metric, unit), "Value", i.Metric)
		if err != nil {
			return nil, err
		}
		i.Bound = n
	}
	shown := i.Unit(unit, kind)
	for n, b := range out.Bounds {
		resolved, err := b.in(shown, b.Edge.Field(), i.Metric)
		if err != nil {
			return nil, err
		}
		out.Bounds[n].Number = resolved
	}
	return &out, nil
}

// Number is the value of a bound: a count or a share, or a duration in seconds.
type Number struct {
	Value    float64
	Duration bool
}

func (n Number) String() string {
	if n.Duration {
		return time.Duration(math.Round(n.Value * 1e9)).String()
	}
	return fmt.Sprint(n.Value)
}

// in converts the number to a unit. A duration needs a unit of time, and a number must not have
// one.
func (n Number) in(unit, field, metric string) (Number, error) {
	size, isTime := nanoseconds[unit]
	switch {
	case n.Duration && isTime:
		return Number{math.Round(n.Value*1e9) / size, true}, nil
	case n.Duration && unit == "":
		return n, &Mistake{field, fmt.Sprintf("%v is a duration, and %s has no unit: give the instrument the unit s, or write a number", n, metric)}
	case n.Duration:
		return n, &Mistake{field, fmt.Sprintf("%v is a duration, and %s is in %q: write a number", n, metric, unit)}
	case isTime:
		d := time.Duration(math.Round(n.Value * size))
		return n, &Mistake{field, fmt.Sprintf("%v is a number without a unit, and %s is in %q: write a time.Duration; %v would be %s", n, metric, unit, n, goDuration(d))}
	}
	return n, nil
}

// goDuration writes a duration as Go code.
func goDuration(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "Hour"}, {time.Minute, "Minute"}, {time.Second, "Second"}, {time.Millisecond, "Millisecond"}, {time.Microsecond, "Microsecond"}} {
		if d%u.size == 0 && d != 0 {
			return fmt.Sprintf("%d*time.%s", d/u.size, u.name)
		}
	}
	return fmt.Sprintf("%d*time.Nanosecond", d)
}

// Finite reports whether a value is a number.
func Finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Limit is a bound of package rule: Fail or Warn of a rule.
type Limit struct {
	Set, Lower bool
	Number
}

// Bounds returns the bounds of a rule with two limits.
func Bounds(fail, warn Limit) (all []Bound) {
	for _, l := range []struct {
		Limit
		max, min Edge
	}{{fail, MaxFail, MinFail}, {warn, MaxWarn, MinWarn}} {
		switch {
		case l.Set && l.Lower:
			all = append(all, Bound{l.min, l.Number})
		case l.Set:
			all = append(all, Bound{l.max, l.Number})
		}
	}
	return all
}
