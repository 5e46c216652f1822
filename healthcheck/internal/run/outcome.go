// Package run runs active checks: each in its own loop, with its own clock and context, and a span
// for every run.
//
// In: a [Func]. Out: the last [Outcome], immutable, to any goroutine, without a lock; and two calls
// for each run, record and changed. It counts failures and successes up to the thresholds, and judges
// nothing. Spans, errors and metrics are foreign code, so their calls go through package guard.
package run

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"go.opentelemetry.io/otel/trace"
)

// An Outcome is the result of one check's runs. It is immutable: the judge and the exported
// instruments read the same record.
type Outcome struct {
	Ran         time.Time     // when the last run finished
	Took        time.Duration // duration of that run
	Err         error         // nil after a success
	Class       string        // bounded class of Err: the error.type
	Text        string        // text of Err, cut; may hold secrets
	Observed    *Observation  // by the last run; nil if there is none
	Failures    int           // in a row
	Successes   int           // in a row
	Failed      bool          // the check has failed, by the thresholds
	Warned      bool          // the last run succeeded, with a warning in Err
	Alone       bool          // peers have no vote on the check
	LastSuccess time.Time
	Span        trace.SpanContext
	Starts      Starts
}

// Starts are the starts of runs. Peers compare them, because a run is evidence only from its start on. Each may
// be zero.
type Starts struct {
	Row     time.Time // the first failure since the check last worked by its thresholds
	Failure time.Time // the last failure
	Success time.Time // the last success
}

// after returns the starts after a run with outcome o that began at began.
func (s Starts) after(o *Outcome, began time.Time) Starts {
	if o.worked() {
		s.Success = began
		if !o.Failed {
			s.Row = time.Time{}
		}
		return s
	}
	s.Failure = began
	if s.Row.IsZero() {
		s.Row = began
	}
	return s
}

// next returns the outcome after one more run. The failure threshold applies only after the first
// success, so a check that has never worked fails at once.
func (o *Outcome) next(c *Func, err error, d guard.Description) *Outcome {
	n := Outcome{Err: err, Class: d.Class, Text: d.Text, Warned: d.Warns}
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

// hung counts one more failure now, because the last run has not returned. The time of the last
// finished run does not change, so that the outcome grows stale.
func (o *Outcome) hung(c *Func, now time.Time) *Outcome {
	n := *o
	n.Failures++
	n.Failed = n.Failed || n.Failures >= c.FailureThreshold
	n.Starts = n.Starts.after(&n, now)
	return &n
}

// worked reports whether the last run succeeded.
func (o *Outcome) worked() bool { return o.Failures == 0 }

// Warning turns an error into a warning: the run works, but badly.
func Warning(err error) error { return guard.Warning{Err: err} }
