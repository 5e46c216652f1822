package rule

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// An Indicator is one number that is read from the metrics of an instrument, by its name. The instrument
// may be yours or a library's. Make an Indicator with the functions of this package; it has no fields to
// set. The zero Indicator reads nothing.
//
// The series of a counter, an up-down counter or a histogram are added up if they match. A gauge
// with more than one matching series is an error, unless [Rule].Per judges each series by itself or
// Sum, Max or Min says what to read.
type Indicator query.Indicator

// Last is the current value of a gauge or up-down counter.
func Last(metric string) Indicator { return Indicator{Kind: query.KindLast, Metric: metric} }

// TimeSince is the time since the Unix timestamp that a gauge holds, in seconds or in the
// gauge's own unit of time. Its limits are durations.
func TimeSince(metric string) Indicator { return Indicator{Kind: query.KindTimeSince, Metric: metric} }

// TimeUntil is the time until the Unix timestamp that a gauge holds, such as the end of a
// certificate: Fail: rule.Below(14 * 24 * time.Hour). It is negative after that time.
func TimeUntil(metric string) Indicator { return Indicator{Kind: query.KindTimeUntil, Metric: metric} }

// Increase is the growth of a counter, or of a histogram's count, over the rule's Window.
func Increase(metric string) Indicator { return Indicator{Kind: query.KindIncrease, Metric: metric} }

// ShareAbove is the share, from 0 to 1, of a histogram's measurements in the rule's Window
// that were greater than bound. With healthcheck.Monitor.View the bound becomes a bucket
// boundary, and the share is exact. Otherwise, and for an exponential histogram, only two numbers are
// known, and the share lies between them. Then the rule fails if both are beyond Fail, passes if both
// are within the limits, and otherwise warns "can't tell".
func ShareAbove[N Number](bound N, metric string) Indicator {
	return Indicator{Kind: query.KindShareAbove, Metric: metric, Bound: number(bound)}
}

// Quantile is the q-quantile, 0 < q < 1, of a histogram's measurements in the rule's Window.
// A limit on it is judged by counting: "p99 at most 500 ms" holds while no more than 1 % of
// the measurements are greater than 500 ms. With healthcheck.Monitor.View the limit is a
// bucket boundary, and the count is exact. Otherwise it lies between two numbers, as for [ShareAbove].
// The value shown is interpolated within its bucket, as Prometheus does.
func Quantile(q float64, metric string) Indicator {
	return Indicator{Kind: query.KindQuantile, Metric: metric, Quantile: q}
}

// Ratio divides one indicator by another: two of [Increase], or two of [Last].
func Ratio(numerator, denominator Indicator) Indicator {
	num, den := query.Indicator(numerator), query.Indicator(denominator)
	return Indicator{Kind: query.KindRatio, Metric: num.Metric, Num: &num, Den: &den}
}

// Where keeps the series whose attribute has one of the values, written as text: "500", "true",
// "GET". As in Prometheus, a missing attribute is the empty text: Where("error.type", "") keeps
// series without an error. On a [Ratio] it applies to both sides.
func (i Indicator) Where(attribute string, values ...string) Indicator {
	return i.matching(attribute, values, false)
}

// WhereNot drops the series whose attribute has one of the values. For example,
// WhereNot("error.type", "") keeps series with an error of any type. On a [Ratio] it applies to both
// sides.
func (i Indicator) WhereNot(attribute string, values ...string) Indicator {
	return i.matching(attribute, values, true)
}

// Scope keeps the series of one instrumentation scope. Its name is the name of the meter that made the
// instrument. Use it if two libraries use one name for different metrics. On a [Ratio] it applies
// to both sides.
func (i Indicator) Scope(name string) Indicator {
	i.Source = name
	return i
}

// Sum adds up the matching series of a gauge. It is for [Last] only.
func (i Indicator) Sum() Indicator { return i.merged(query.MergeSum) }

// Max takes the greatest of the matching series. It is for [Last] only.
func (i Indicator) Max() Indicator { return i.merged(query.MergeMax) }

// Min takes the least of the matching series. It is for [Last] only.
func (i Indicator) Min() Indicator { return i.merged(query.MergeMin) }

func (i Indicator) merged(by query.Merge) Indicator {
	i.Merge = by
	return i
}

func (i Indicator) matching(key string, values []string, not bool) Indicator {
	i.Matchers = append(slices.Clone(i.Matchers), query.Matcher{Key: attribute.Key(key), Values: slices.Clone(values), Not: not})
	return i
}
