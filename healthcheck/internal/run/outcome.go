// Package run runs active checks: each in its own loop, with its own clock and context, and a span
// for every run.
//
// In: a [Func]. Out: the last [Outcome], immutable, to any goroutine, without a lock; and two calls
// from the goroutine of the loop, record and changed. It counts runs by thresholds and never
// judges, because that is the task of the judge.
package run

import (
	"errors"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"go.opentelemetry.io/otel/trace"
)

// An Outcome is the result of one check's runs. It is immutable: the judge and the exported
// instruments read the same record.
type Outcome struct {
	Ran         time.Time     // when the last run finished
	Took        time.Duration // that run
	Err         error         // nil after a success
	Class       string        // bounded name of err: the error.type
	Text        string        // of err; may hold secrets
	Observed    *Observation  // by the last run; nil if there is none
	Failures    int           // in a row
	Successes   int           // in a row
	Failed      bool          // by the thresholds
	Warned      bool          // the last run worked, with a warning: Err
	LastSuccess time.Time
	Span        trace.SpanContext
}

// next returns the outcome after one more run. The failure threshold applies only after the first
// success, so a check that has never worked fails at once.
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

// hung counts one more failure, because the last run has not returned. The time of the last
// finished run stays, so that the outcome grows stale.
func (o *Outcome) hung(c *Func) *Outcome {
	n := *o
	n.Failures++
	n.Failed = n.Failed || n.Failures >= c.FailureThreshold
	return &n
}

// worked reports whether the last run succeeded.
func (o *Outcome) worked() bool { return o.Failures == 0 }

// Warning turns an error into a warning: the run works, but badly.
func Warning(err error) error { return guard.Warning{Err: err} }

// warns reports whether an error is a warning. The methods of err are foreign code and may panic.
func warns(err error) (yes bool) {
	defer func() { _ = recover() }()
	_, yes = errors.AsType[guard.Warning](err)
	return yes
}
