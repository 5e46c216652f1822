// Package run runs active checks: each in a loop of its own, on its own clock and context,
// with a span a run.
//
// In: a [Func]. Out: the last [Outcome], immutable, to any goroutine, without a lock; and two
// calls from the goroutine of the loop, record and changed. It never judges: thresholds count
// runs, and what an outcome means is the judge's.
package run

import (
	"errors"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"go.opentelemetry.io/otel/trace"
)

// An Outcome is what one check's runs have come to. It is immutable: the
// judge and the exported instruments read the same record.
type Outcome struct {
	Ran         time.Time     // when the last run finished
	Took        time.Duration // that run
	Err         error         // nil after a success
	Class       string        // bounded name of err: the error.type
	Text        string        // of err; may hold secrets
	Failures    int           // in a row
	Successes   int           // in a row
	Failed      bool          // by the thresholds
	Warned      bool          // the last run worked, with a warning: Err
	LastSuccess time.Time
	Span        trace.SpanContext
}

// next is the outcome after one more run. Thresholds apply once the check has
// ever passed: a check that never worked does not get the benefit of the doubt.
func (o *Outcome) next(c *Func, err error, class string) *Outcome {
	n := Outcome{Err: err, Class: class, Warned: warns(err)}
	fresh := o == nil
	if !fresh {
		n.Failed, n.LastSuccess = o.Failed, o.LastSuccess
	}
	if err == nil || n.Warned {
		n.Successes = 1
		if !fresh {
			n.Successes += o.Successes
		}
		n.Failed = n.Failed && n.Successes < c.SuccessThreshold
		return &n
	}
	n.Failures = 1
	if !fresh {
		n.Failures += o.Failures
	}
	n.Failed = n.Failed || n.LastSuccess.IsZero() || n.Failures >= c.FailureThreshold
	return &n
}

// overdue counts one more failure because the last run is still out. The time of the
// last run stays, so that the outcome grows stale.
func (o *Outcome) overdue(c *Func) *Outcome {
	n := *o
	n.Failures++
	n.Failed = n.Failed || n.Failures >= c.FailureThreshold
	return &n
}

// worked reports whether the last run did.
func (o *Outcome) worked() bool { return o.Failures == 0 }

// Warning makes an error a warning: the run works, but badly.
func Warning(err error) error { return guard.Warning{Err: err} }

// warns reports whether an error is a warning. Its methods are somebody else's code.
func warns(err error) (yes bool) {
	defer func() { _ = recover() }()
	_, yes = errors.AsType[guard.Warning](err)
	return yes
}
