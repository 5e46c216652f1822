package run

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// active is one function to run, and how.
type Func struct {
	Name      string
	Run       func(context.Context) error
	Interval  time.Duration // from the start of a run to the next
	Timeout   time.Duration // of one run
	Failures  int           // in a row until it has failed
	Successes int           // in a row until it works again
}

// staleAfter is the age from which an outcome proves nothing.
func (a *Func) StaleAfter() time.Duration { return 3*a.Interval + a.Timeout }

// last is what the runs have come to; nil before the end of the first. Any goroutine
// may ask.
func (r *Runner) Last() *Outcome { return r.cell.Load() }

// runner runs one active check. Its goroutine alone writes the cell.
type Runner struct {
	Check   Func
	spread  float64 // from 0 to 1, by instance and check
	cell    atomic.Pointer[Outcome]
	tracer  trace.Tracer
	record  func(context.Context, string, *Outcome) // exports one finished run
	changed func()                                  // the outcome's state is another
	classes guard.Classes
	overdue <-chan error // of a run that timed out and has not returned
}

// newRunner makes the runner of one check, not yet running. record exports one finished
// run, in its span's context; changed says that the outcome's state is another. Both are
// called by the runner's goroutine and must not block.
func New(check Func, spread float64, tracer trace.Tracer, record func(context.Context, string, *Outcome), changed func()) *Runner {
	return &Runner{Check: check, spread: spread, tracer: tracer, record: record, changed: changed, classes: guard.Classes{}}
}

// loop runs the check until ctx is done: at once, then every interval, the
// phase spread over instances so that a fleet that starts together does not ask
// together.
func (r *Runner) Loop(ctx context.Context) {
	next := time.Now()
	for first := true; ctx.Err() == nil; first = false { // when both are done, select takes either
		r.run(ctx)
		if first {
			next = next.Add(r.Phase())
		} else {
			next = next.Add(r.Check.Interval)
		}
		if now := time.Now(); next.Before(now) { // suspended: don't catch up
			next = now
		}
		wait := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// phase is the time from the first run to the second.
func (r *Runner) Phase() time.Duration {
	return time.Duration(float64(r.Check.Interval) * (.5 + .5*r.spread))
}

func (r *Runner) run(ctx context.Context) {
	if r.overdue != nil {
		select {
		case <-r.overdue: // late: its result is of no use any more
			r.overdue = nil
		default:
			r.store(r.cell.Load().again(&r.Check))
			return
		}
	}
	spanCtx, span := r.tracer.Start(ctx, "health.check "+r.Check.Name, trace.WithNewRoot(),
		trace.WithAttributes(attr.CheckName.String(r.Check.Name)))
	defer span.End()
	runCtx, cancel := context.WithTimeout(spanCtx, r.Check.Timeout)
	defer cancel()

	began := time.Now()
	done := guard.Start(runCtx, r.Check.Run)
	var err error
	select {
	case err = <-done:
	case <-runCtx.Done():
		select {
		case err = <-done:
		default:
			err = context.DeadlineExceeded
			r.overdue = done
		}
	}
	if ctx.Err() != nil {
		return // the monitor stopped: says nothing about what is checked
	}

	class, text := r.classes.Describe(err)
	if err != nil {
		span.SetStatus(codes.Error, class)
		span.SetAttributes(semconv.ErrorTypeKey.String(class))
	}
	o := r.cell.Load().next(&r.Check, err, class)
	o.Text = text
	o.Ran = time.Now()
	o.Took = o.Ran.Sub(began)
	if err == nil {
		o.LastSuccess = o.Ran
	}
	o.Span = span.SpanContext()
	r.store(o)
	r.record(spanCtx, r.Check.Name, o)
}

func (r *Runner) store(o *Outcome) {
	prev := r.cell.Swap(o)
	if prev == nil || prev.Failed != o.Failed || prev.Class != o.Class {
		r.changed()
	}
}
