package healthcheck

import (
	"time"

	"go.opentelemetry.io/otel/trace"
)

// outcome is what one active check's runs have come to. It is immutable: the
// judge and the exported instruments read the same record.
type outcome struct {
	ran         time.Time     // when the last run finished
	took        time.Duration // that run
	err         error         // nil after a success
	class       string        // bounded name of err: the error.type
	text        string        // of err; may hold secrets
	failures    int           // in a row
	successes   int           // in a row
	failed      bool          // by the thresholds
	lastSuccess time.Time
	span        trace.SpanContext
}

// next is the outcome after one more run. Thresholds apply once the check has
// ever passed: a check that never worked does not get the benefit of the doubt.
func (o *outcome) next(c Check, err error, class string) *outcome {
	n := outcome{err: err, class: class}
	fresh := o == nil
	if !fresh {
		n.failed, n.lastSuccess = o.failed, o.lastSuccess
	}
	if err == nil {
		n.successes = 1
		if !fresh {
			n.successes += o.successes
		}
		n.failed = n.failed && n.successes < c.successes()
		return &n
	}
	n.failures = 1
	if !fresh {
		n.failures += o.failures
	}
	n.failed = n.failed || n.lastSuccess.IsZero() || n.failures >= c.failures()
	return &n
}

// again counts an interval in which the last run was still out. The time of the
// last run stays, so that the outcome grows stale.
func (o *outcome) again(c Check) *outcome {
	n := *o
	n.failures++
	n.failed = n.failed || n.failures >= c.failures()
	return &n
}
