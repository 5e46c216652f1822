// Package rule says what a metric of the process must be. It is data: nothing here reads
// a metric, and every method returns a copy.
package rule

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// An Indicator is one number read from collected metrics. It names any
// instrument of the process, ours or a library's, by its OpenTelemetry name.
// [Indicator.AtMost] and its siblings make a [Limit] of it.
//
// Counters and histograms whose series match are merged. A gauge or up-down
// counter that matches more than one series is an error unless [Indicator.Per]
// says to judge each.
type Indicator query.Indicator

// defaultMinCount keeps one bad request in an idle minute from being a ratio of
// 1.
const defaultMinCount = 10

// Last is the current value of a gauge or up-down counter.
func Last(metric string) Indicator { return Indicator{Kind: query.KindLast, Metric: metric} }

// Age is the time, in seconds, since the Unix timestamp that a gauge holds.
func Age(metric string) Indicator { return Indicator{Kind: query.KindAge, Metric: metric} }

// Increase is the growth of a counter, or of a histogram's count, over a window.
func Increase(metric string, window time.Duration) Indicator {
	return Indicator{Kind: query.KindIncrease, Metric: metric, Window: window}
}

// Over is the share, from 0 to 1, of a histogram's measurements in a window that
// were greater than bound. With healthcheck.Monitor.View the bound becomes a bucket
// boundary and the share is exact.
func Over(metric string, bound float64, window time.Duration) Indicator {
	return Indicator{Kind: query.KindOver, Metric: metric, Bound: bound, Window: window, MinEvents: defaultMinCount}
}

// Quantile is the q-quantile, 0 < q < 1, of a histogram's measurements in a
// window. A limit on it is judged by counting: "p99 at most 0.5" holds while no
// more than 1 % of the measurements are greater than 0.5. With healthcheck.Monitor.View
// the limit is a bucket boundary and that count is exact; the value shown is
// interpolated within its bucket, as Prometheus does.
func Quantile(metric string, q float64, window time.Duration) Indicator {
	return Indicator{Kind: query.KindQuantile, Metric: metric, Quantile: q, Window: window, MinEvents: defaultMinCount}
}

// Ratio divides one indicator by another: two of [Increase] over one window, or
// two of [Last].
func Ratio(numerator, denominator Indicator) Indicator {
	i := Indicator{Kind: query.KindRatio, Metric: numerator.Metric, Num: (*query.Indicator)(&numerator), Den: (*query.Indicator)(&denominator), Window: denominator.Window}
	if denominator.Kind == query.KindIncrease {
		i.MinEvents = defaultMinCount
	}
	return i
}

// Where keeps the series whose attribute key has one of the values, written as
// text: "500", "true", "GET". As in Prometheus, an attribute that is not there has
// the empty text: Where("error.type", "") keeps what has no error.
func (i Indicator) Where(key string, values ...string) Indicator {
	i.Matchers = append(slices.Clone(i.Matchers), query.Matcher{Key: attribute.Key(key), Values: values})
	return i
}

// WhereNot drops the series whose attribute key has one of the values. So
// WhereNot("error.type", "") keeps what has an error, of whatever type.
func (i Indicator) WhereNot(key string, values ...string) Indicator {
	i.Matchers = append(slices.Clone(i.Matchers), query.Matcher{Key: attribute.Key(key), Values: values, Not: true})
	return i
}

// Per judges each combination of these attributes' values by itself. The worst
// decides and is named. On a [Ratio] it applies to both sides.
func (i Indicator) Per(keys ...string) Indicator {
	i.GroupBy = slices.Clone(i.GroupBy)
	for _, k := range keys {
		i.GroupBy = append(i.GroupBy, attribute.Key(k))
	}
	return i
}

// MinCount is how many events a window must hold to be judged; with fewer the
// check passes and its value is null. 10 if not given, for [Over], [Quantile]
// and a [Ratio] of increases; the others have no minimum.
func (i Indicator) MinCount(n int) Indicator {
	i.MinEvents = float64(n)
	return i
}
