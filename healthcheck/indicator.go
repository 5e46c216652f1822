package healthcheck

import (
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// An Indicator is one number read from collected metrics. It names any
// instrument of the process, ours or a library's, by its OpenTelemetry name.
// [Indicator.AtMost] and its siblings make a [Limit] of it.
//
// Counters and histograms whose series match are merged. A gauge or up-down
// counter that matches more than one series is an error unless [Indicator.Per]
// says to judge each.
type Indicator struct {
	kind     kind
	metric   string
	matchers []matcher
	per      []attribute.Key
	window   time.Duration
	quantile float64
	bound    float64
	minCount float64
	num, den *Indicator // of a ratio
}

type kind int

const (
	kindNone     kind = iota
	kindLast          // the last value of a gauge or up-down counter
	kindAge           // now minus the timestamp in a gauge
	kindIncrease      // growth over a window
	kindOver          // share of measurements over a bound, in a window
	kindQuantile      // quantile of the measurements of a window
	kindRatio         // one indicator divided by another
)

// defaultMinCount keeps one bad request in an idle minute from being a ratio of
// 1.
const defaultMinCount = 10

// matcher selects series by one attribute.
type matcher struct {
	key    attribute.Key
	values []string
	not    bool
}

// Last is the current value of a gauge or up-down counter.
func Last(metric string) Indicator { return Indicator{kind: kindLast, metric: metric} }

// Age is the time, in seconds, since the Unix timestamp that a gauge holds.
func Age(metric string) Indicator { return Indicator{kind: kindAge, metric: metric} }

// Increase is the growth of a counter, or of a histogram's count, over a window.
func Increase(metric string, window time.Duration) Indicator {
	return Indicator{kind: kindIncrease, metric: metric, window: window}
}

// Over is the share, from 0 to 1, of a histogram's measurements in a window that
// were greater than bound. With [Monitor.View] the bound becomes a bucket
// boundary and the share is exact.
func Over(metric string, bound float64, window time.Duration) Indicator {
	return Indicator{kind: kindOver, metric: metric, bound: bound, window: window, minCount: defaultMinCount}
}

// Quantile is the q-quantile, 0 < q < 1, of a histogram's measurements in a
// window. A limit on it is judged by counting: "p99 at most 0.5" holds while no
// more than 1 % of the measurements are greater than 0.5. With [Monitor.View]
// the limit is a bucket boundary and that count is exact; the value shown is
// interpolated within its bucket, as Prometheus does.
func Quantile(metric string, q float64, window time.Duration) Indicator {
	return Indicator{kind: kindQuantile, metric: metric, quantile: q, window: window, minCount: defaultMinCount}
}

// Ratio divides one indicator by another: two of [Increase] over one window, or
// two of [Last].
func Ratio(numerator, denominator Indicator) Indicator {
	i := Indicator{kind: kindRatio, metric: numerator.metric, num: &numerator, den: &denominator, window: denominator.window}
	if denominator.kind == kindIncrease {
		i.minCount = defaultMinCount
	}
	return i
}

// Where keeps the series whose attribute key has one of the values, written as
// text: "500", "true", "GET". As in Prometheus, an attribute that is not there has
// the empty text: Where("error.type", "") keeps what has no error.
func (i Indicator) Where(key string, values ...string) Indicator {
	i.matchers = append(slices.Clone(i.matchers), matcher{key: attribute.Key(key), values: values})
	return i
}

// WhereNot drops the series whose attribute key has one of the values. So
// WhereNot("error.type", "") keeps what has an error, of whatever type.
func (i Indicator) WhereNot(key string, values ...string) Indicator {
	i.matchers = append(slices.Clone(i.matchers), matcher{key: attribute.Key(key), values: values, not: true})
	return i
}

// Per judges each combination of these attributes' values by itself. The worst
// decides and is named. On a [Ratio] it applies to both sides.
func (i Indicator) Per(keys ...string) Indicator {
	i.per = slices.Clone(i.per)
	for _, k := range keys {
		i.per = append(i.per, attribute.Key(k))
	}
	return i
}

// MinCount is how many events a window must hold to be judged; with fewer the
// check passes and its value is null. 10 if not given, for [Over], [Quantile]
// and a [Ratio] of increases; the others have no minimum.
func (i Indicator) MinCount(n int) Indicator {
	i.minCount = float64(n)
	return i
}

// windowed reports whether the indicator looks back: serving requests can make
// such evidence, and no events in its window is an answer and not an absence.
func (i *Indicator) windowed() bool { return i.window != 0 }

// filtered reports whether the overflow series could hide what is looked for.
func (i *Indicator) filtered() bool { return len(i.matchers) > 0 || len(i.per) > 0 }

func (i *Indicator) validate() (problems []string) {
	add := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	for _, m := range i.matchers {
		if m.key == "" || len(m.values) == 0 {
			add("Where needs a key and at least one value")
		}
	}
	if slices.Contains(i.per, "") {
		add("Per has an empty key")
	}
	if i.kind == kindRatio {
		if !slices.Equal(slices.Sorted(slices.Values(i.num.per)), slices.Sorted(slices.Values(i.den.per))) {
			add("the two sides of a Ratio differ in Per; say Per on the Ratio")
		}
		for _, side := range []*Indicator{i.num, i.den} {
			problems = append(problems, side.validate()...)
		}
		if i.minCount < 0 || (i.minCount > 0 && !i.windowed()) {
			add("MinCount %v is negative, or not for a Ratio of Last", i.minCount)
		}
		switch {
		case i.num.kind != i.den.kind || (i.num.kind != kindIncrease && i.num.kind != kindLast):
			add("Ratio takes two of Increase or two of Last")
		case i.num.window != i.den.window:
			add("the windows of the two sides of a Ratio differ: %v and %v", i.num.window, i.den.window)
		}
		return problems
	}
	if i.metric == "" {
		add("the indicator names no metric")
	}
	if i.kind >= kindIncrease && i.window <= 0 {
		add("window %v is not positive", i.window)
	}
	if i.kind == kindQuantile && !(i.quantile > 0 && i.quantile < 1) {
		add("quantile %v is not between 0 and 1", i.quantile)
	}
	if !finite(i.bound) {
		add("bound %v is not a number", i.bound)
	}
	if i.minCount < 0 {
		add("MinCount %v is negative", i.minCount)
	} else if i.minCount > 0 && i.kind != kindOver && i.kind != kindQuantile {
		add("MinCount is for Over, Quantile and a Ratio of Increase")
	}
	return problems
}

// metrics are the names of the metrics that the indicator reads.
func (i *Indicator) metrics() []string {
	if i.kind == kindRatio && i.num.metric != i.den.metric {
		return []string{i.num.metric, i.den.metric}
	}
	return []string{i.metric}
}

// isShare reports whether the value is one part of another.
func (i *Indicator) isShare() bool { return i.kind == kindOver || i.kind == kindRatio }
