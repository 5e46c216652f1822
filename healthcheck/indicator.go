package healthcheck

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// An Indicator is one number read from collected metrics; see [rule.Indicator].
type Indicator = rule.Indicator

// A Limit is an [Indicator] and the values it must not cross; see [rule.Limit].
type Limit = rule.Limit

// Last is [rule.Last].
func Last(metric string) Indicator { return rule.Last(metric) }

// Age is [rule.Age].
func Age(metric string) Indicator { return rule.Age(metric) }

// Increase is [rule.Increase].
func Increase(metric string, window time.Duration) Indicator { return rule.Increase(metric, window) }

// Over is [rule.Over].
func Over(metric string, bound float64, window time.Duration) Indicator {
	return rule.Over(metric, bound, window)
}

// Quantile is [rule.Quantile].
func Quantile(metric string, q float64, window time.Duration) Indicator {
	return rule.Quantile(metric, q, window)
}

// Ratio is [rule.Ratio].
func Ratio(numerator, denominator Indicator) Indicator { return rule.Ratio(numerator, denominator) }
