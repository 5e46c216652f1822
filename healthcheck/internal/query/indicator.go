// Package query describes a rule as data: an indicator, the series that it reads and the bounds of
// its value. Package rule writes it, and evidence reads it. It finds its own mistakes, and it reads
// no metric.
package query

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// An Indicator says which number to read from which metric.
type Indicator struct {
	Kind      Kind
	Metric    string
	Matchers  []Matcher
	Source    string // scope of the metric; empty for all
	Merge     Merge  // of several series
	GroupBy   []attribute.Key
	Window    time.Duration
	Quantile  float64
	Bound     Number // of a share above
	MinEvents float64
	Num, Den  *Indicator // of a ratio
}

// Kind says how an indicator reads its metric.
type Kind int

const (
	KindNone       Kind = iota
	KindLast            // the last value of a gauge or up-down counter
	KindTimeSince       // now minus the timestamp in a gauge
	KindTimeUntil       // the timestamp in a gauge minus now
	KindIncrease        // growth over a window
	KindShareAbove      // share of measurements above a bound, in a window
	KindQuantile        // quantile of the measurements of a window
	KindRatio           // one indicator divided by another
)

// OfTime reports whether an indicator compares a timestamp with now.
func (k Kind) OfTime() bool { return k == KindTimeSince || k == KindTimeUntil }

// Merge says how an indicator of a present value reads several series.
type Merge int

const (
	MergeNone Merge = iota // only one may match, unless the instrument is additive
	MergeSum
	MergeMax
	MergeMin
)

// Matcher selects series by one attribute.
type Matcher struct {
	Key    attribute.Key
	Values []string
	Not    bool
}

const (
	defaultWindow    = 30 * time.Second
	minWindow        = time.Second
	defaultMinEvents = 10 // one bad request in an idle minute must not count as 100 %
)

// With adds a rule's window, events and groups to the indicator, with their defaults if the
// indicator uses them.
func (i Indicator) With(window time.Duration, minEvents int, per []string) Indicator {
	for _, key := range per {
		i.GroupBy = append(i.GroupBy[:len(i.GroupBy):len(i.GroupBy)], attribute.Key(key))
	}
	i.Window, i.MinEvents = window, float64(minEvents)
	if i.looksBack() && window == 0 {
		i.Window = defaultWindow
	}
	if i.counts() && minEvents == 0 {
		i.MinEvents = defaultMinEvents
	}
	if i.Kind == KindRatio {
		num, den := *i.Num, *i.Den
		if i.looksBack() {
			num.Window, den.Window = i.Window, i.Window
		}
		i.Num, i.Den = &num, &den
	}
	return i
}

// looksBack reports whether the indicator has a window.
func (i *Indicator) looksBack() bool {
	switch i.Kind {
	case KindIncrease, KindShareAbove, KindQuantile:
		return true
	case KindRatio:
		return i.Den.looksBack()
	}
	return false
}

// counts reports whether the indicator needs a number of events.
func (i *Indicator) counts() bool { return i.looksBack() && i.Kind != KindIncrease }

// Windowed reports whether the indicator has a window. Then traffic is its evidence, and an empty window passes
// instead of being unknown.
func (i *Indicator) Windowed() bool { return i.Window != 0 }

// Filtered reports whether matching series could be hidden in the overflow series.
func (i *Indicator) Filtered() bool { return len(i.Matchers) > 0 || len(i.GroupBy) > 0 }

func (i *Indicator) validate(add func(field, format string, a ...any)) {
	if i.Kind == KindNone {
		add("Value", "is not set: write rule.Last, rule.Quantile or the like")
		return
	}
	switch {
	case !i.looksBack() && i.Window != 0:
		add("Window", "%v: this Value does not look back, so leave Window out", i.Window)
	case i.looksBack() && i.Window < minWindow:
		add("Window", "%v is shorter than %v", i.Window, minWindow)
	}
	switch {
	case i.MinEvents < 0:
		add("MinEvents", "%v is negative", i.MinEvents)
	case i.MinEvents > 0 && !i.counts():
		add("MinEvents", "%v: only ShareAbove, Quantile and a Ratio of two Increase count events", i.MinEvents)
	}
	if i.Merge != MergeNone && i.Kind != KindLast {
		add("Value", "only Last takes Sum, Max and Min; of a Ratio write them on each side")
	}
	if slices.Contains(i.GroupBy, "") {
		add("Per", "has an empty attribute")
	}
	if i.Kind == KindRatio {
		if i.Num.Kind != i.Den.Kind || (i.Num.Kind != KindIncrease && i.Num.Kind != KindLast) {
			add("Value", "a Ratio takes two of Increase or two of Last")
			return
		}
		i.Num.validateSeries(add)
		i.Den.validateSeries(add)
	}
	if i.Kind == KindQuantile && !(i.Quantile > 0 && i.Quantile < 1) {
		add("Value", "the quantile %v is not between 0 and 1: .99 is p99", i.Quantile)
	}
	if !Finite(i.Bound.Value) {
		add("Value", "the bound %v of ShareAbove is not a number", i.Bound)
	} else if i.Kind == KindShareAbove && i.Bound.Duration && i.Bound.Value < 0 {
		add("Value", "the bound %v of ShareAbove is below every duration", i.Bound)
	}
	i.validateSeries(add)
}

func (i *Indicator) validateSeries(add func(field, format string, a ...any)) {
	if i.Kind != KindRatio && i.Metric == "" {
		add("Value", "names no metric")
	}
	for _, m := range i.Matchers {
		if m.Key == "" || len(m.Values) == 0 {
			add("Value", "Where and WhereNot need an attribute and at least one value")
		}
	}
}

// Metrics are the names of the metrics that the indicator reads.
func (i *Indicator) Metrics() []string {
	if i.Kind == KindRatio && i.Num.Metric != i.Den.Metric {
		return []string{i.Num.Metric, i.Den.Metric}
	}
	return []string{i.Metric}
}

// IsShare reports whether the value is shown in percent.
func (i *Indicator) IsShare() bool { return i.Kind == KindShareAbove || i.Kind == KindRatio }

// Part reports whether the numerator counts a part of the denominator's events, so that the ratio
// can't exceed 1.
func (i *Indicator) Part() bool {
	if i.Kind != KindRatio || i.Num.Kind != KindIncrease || i.Num.Metric != i.Den.Metric || i.Den.Source != "" && i.Den.Source != i.Num.Source {
		return false
	}
	for _, d := range i.Den.Matchers { // every series of the numerator must be in the denominator
		if !slices.ContainsFunc(i.Num.Matchers, d.includes) {
			return false
		}
	}
	return true
}

// includes reports whether m matches every series that o matches. Both are for the same attribute.
func (m Matcher) includes(o Matcher) bool {
	narrow, wide := o.Values, m.Values
	if m.Not {
		narrow, wide = wide, narrow
	}
	return m.Key == o.Key && m.Not == o.Not && !slices.ContainsFunc(narrow, func(v string) bool { return !slices.Contains(wide, v) })
}
