// Package query says what is asked of a metric: an indicator, the series it takes and the
// limits it is held against. It is data that evidence reads and package rule writes; it
// can say what is wrong with itself, and reads no metric.
package query

import (
	"fmt"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// An Indicator says which number to read from which metric.
type Indicator struct {
	Kind      Kind
	Metric    string
	Matchers  []Matcher
	GroupBy   []attribute.Key
	Window    time.Duration
	Quantile  float64
	Bound     float64
	MinEvents float64
	Num, Den  *Indicator // of a ratio
}

// Kind says how an indicator reads its metric.
type Kind int

const (
	KindNone     Kind = iota
	KindLast          // the last value of a gauge or up-down counter
	KindAge           // now minus the timestamp in a gauge
	KindIncrease      // growth over a window
	KindOver          // share of measurements over a bound, in a window
	KindQuantile      // quantile of the measurements of a window
	KindRatio         // one indicator divided by another
)

// Matcher selects series by one attribute.
type Matcher struct {
	Key    attribute.Key
	Values []string
	Not    bool
}

// Windowed reports whether the indicator looks back: serving requests can make
// such evidence, and no events in its window is an answer and not an absence.
func (i *Indicator) Windowed() bool { return i.Window != 0 }

// Filtered reports whether the overflow series could hide what is looked for.
func (i *Indicator) Filtered() bool { return len(i.Matchers) > 0 || len(i.GroupBy) > 0 }

func (i *Indicator) validate() (problems []string) {
	add := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	for _, m := range i.Matchers {
		if m.Key == "" || len(m.Values) == 0 {
			add("Where needs a key and at least one value")
		}
	}
	if slices.Contains(i.GroupBy, "") {
		add("Per has an empty key")
	}
	if i.Kind == KindRatio {
		if !slices.Equal(slices.Sorted(slices.Values(i.Num.GroupBy)), slices.Sorted(slices.Values(i.Den.GroupBy))) {
			add("the two sides of a Ratio differ in Per; say Per on the Ratio")
		}
		for _, side := range []*Indicator{i.Num, i.Den} {
			problems = append(problems, side.validate()...)
		}
		if i.MinEvents < 0 || (i.MinEvents > 0 && !i.Windowed()) {
			add("MinCount %v is negative, or not for a Ratio of Last", i.MinEvents)
		}
		switch {
		case i.Num.Kind != i.Den.Kind || (i.Num.Kind != KindIncrease && i.Num.Kind != KindLast):
			add("Ratio takes two of Increase or two of Last")
		case i.Num.Window != i.Den.Window:
			add("the windows of the two sides of a Ratio differ: %v and %v", i.Num.Window, i.Den.Window)
		}
		return problems
	}
	if i.Metric == "" {
		add("the indicator names no metric")
	}
	if i.Kind >= KindIncrease && i.Window <= 0 {
		add("window %v is not positive", i.Window)
	}
	if i.Kind == KindQuantile && !(i.Quantile > 0 && i.Quantile < 1) {
		add("quantile %v is not between 0 and 1", i.Quantile)
	}
	if !Finite(i.Bound) {
		add("bound %v is not a number", i.Bound)
	}
	if i.MinEvents < 0 {
		add("MinCount %v is negative", i.MinEvents)
	} else if i.MinEvents > 0 && i.Kind != KindOver && i.Kind != KindQuantile {
		add("MinCount is for Over, Quantile and a Ratio of Increase")
	}
	return problems
}

// Metrics are the names of the metrics that the indicator reads.
func (i *Indicator) Metrics() []string {
	if i.Kind == KindRatio && i.Num.Metric != i.Den.Metric {
		return []string{i.Num.Metric, i.Den.Metric}
	}
	return []string{i.Metric}
}

// IsShare reports whether the value is one part of another.
func (i *Indicator) IsShare() bool { return i.Kind == KindOver || i.Kind == KindRatio }

// Finite reports whether a value is a number.
func Finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
