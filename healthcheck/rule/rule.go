// Package rule describes the limits of a metric of the process:
//
//	rule.Rule{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80)}
//	rule.Rule{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)}
//
// A rule is data. This package reads no metric, every function returns a copy, and everything may
// be used from any goroutine. Mistakes in a rule are errors of healthcheck's Start or AddRule.
//
// # Units
//
// A bound on a metric with a unit of time is a [time.Duration]. The units s, ms, us, ns, min, h and
// d are converted. If a metric has no unit, a suffix of its name such as _seconds is its unit, as
// in Prometheus. Any other bound is a number in the metric's unit, or a share from 0 to 1. A number
// instead of a duration, or a duration instead of a number, is an error as soon as the metric is
// known.
package rule

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Rule compares one metric of the process with limits, every second. At least one of Fail and
// Warn is set. If both are set, they are on the same side and Warn is crossed first.
//
// A rule without traffic passes, with no value. A rule without an instrument is unknown, because the
// name of the metric may be mistyped. In the overflow series of the SDK's cardinality limit, attributes
// are lost. So a rule with Where or Per is judged twice, as if all these events were good and as if all
// were bad. If the results differ, it warns "can't tell".
//
// # NotReady on traffic
//
// Requests are the evidence of a rule with a Window, and taking an instance out moves its requests
// to the others. So such a rule with OnFail set to healthcheck.NotReady warns at first. It fails only
// if
//   - at least 10 events are beyond an upper limit, and the limit is crossed over the window, over
//     four windows, and over the last third of the window;
//   - the instance has no more than its usual traffic, so that it is slow and not
//     overloaded ([Increase] has no traffic to compare);
//   - both have lasted for 10 to 40 s, a different time in each instance.
//
// The instance is then ejected for about KeepFor (30s if zero). After that the rule forgets its
// evidence, is on probation for a while, and warns. A failure on probation ejects without delay
// and doubles the ejection time. docs/choosing-limits.md explains the numbers.
type Rule struct {
	Name   string         // key in the response, and health.check.name; unique among checks, rules and heartbeats
	Value  Indicator      // the compared number
	Fail   Limit          // beyond it the rule fails
	Warn   Limit          // beyond it the rule warns
	OnFail verdict.Effect // healthcheck.WarnOnly if empty: taking out slow instances overloads the others

	Window    time.Duration // how far Increase, ShareAbove, Quantile and Ratio look back; 30s if zero, 1s at least
	MinEvents int           // events that a window of ShareAbove, Quantile or Ratio needs to be judged; 10 if zero
	Per       []string      // attributes: each combination of their values is judged by itself, and the worst decides
	For       time.Duration // how long a limit must be crossed before it counts, also for a warning; at once if zero
	KeepFor   time.Duration // how long the rule stays failed after the limit was last crossed; not at all if zero

	IgnorePeers bool // if OnFail is NotReady, a failure takes the instance out even if its peers fail too, see healthcheck.Config.Peers
}

// A Limit is a bound. A value equal to it is within the limit. The zero Limit is none.
type Limit query.Limit

// Number is the type of a bound: a [time.Duration] for a metric with a unit of time, a number
// otherwise.
type Number interface{ ~int | ~int64 | ~float64 }

// Above is crossed by values greater than max.
func Above[N Number](max N) Limit { return Limit{Set: true, Number: number(max)} }

// Below is crossed by values less than min.
func Below[N Number](min N) Limit { return Limit{Set: true, Lower: true, Number: number(min)} }

func number[N Number](n N) query.Number {
	if d, ok := any(n).(time.Duration); ok {
		return query.Number{Value: d.Seconds(), Duration: true}
	}
	return query.Number{Value: float64(n)}
}
