package query

import "strings"

// nanoseconds are the units of time in UCUM. They are whole numbers, so that a converted duration
// has no rounding error.
var nanoseconds = map[string]float64{
	"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, "h": 3600e9, "d": 86400e9,
}

// suffixes are the units of time in names of Prometheus.
var suffixes = map[string]string{"_seconds": "s", "_milliseconds": "ms", "_microseconds": "us", "_nanoseconds": "ns"}

// TimeUnit returns the unit of a metric. If it has none, a suffix of its name counts, as in
// Prometheus.
func TimeUnit(metric, unit string) string {
	if unit == "" {
		for suffix, u := range suffixes {
			for _, end := range []string{"", "_total", "_sum", "_count", "_bucket"} {
				if strings.HasSuffix(metric, suffix+end) {
					return u
				}
			}
		}
	}
	return unit
}

// Seconds returns how many seconds a unit of time has; 0 for another unit.
func Seconds(unit string) float64 { return nanoseconds[unit] / 1e9 }

// Unit returns the unit of the indicator's value, given the unit and the kind of its metric.
func (i *Indicator) Unit(metric, kind string) string {
	switch {
	case i.Kind == KindShareAbove, i.Kind == KindRatio:
		return "1"
	case i.Kind.OfTime():
		return "s"
	case i.Kind == KindIncrease && strings.HasSuffix(kind, "histogram"):
		return "1" // its count
	}
	return TimeUnit(i.Metric, metric)
}
