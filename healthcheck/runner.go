package healthcheck

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// runner runs one active check. Its goroutine alone writes the cell.
type runner struct {
	check   Check
	cell    atomic.Pointer[outcome]
	tracer  trace.Tracer
	record  func(context.Context, string, *outcome) // exports one finished run
	changed func()                                  // the outcome's state is another
	classes guard.Classes
	overdue <-chan error // of a run that timed out and has not returned
}

// loop runs the check until ctx is done: at once, then every interval, the
// phase spread over instances so that a fleet that starts together does not ask
// together.
func (r *runner) loop(ctx context.Context, instance string) {
	next := time.Now()
	for first := true; ctx.Err() == nil; first = false { // when both are done, select takes either
		r.run(ctx)
		if first {
			next = next.Add(r.phase(instance))
		} else {
			next = next.Add(r.check.interval())
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
func (r *runner) phase(instance string) time.Duration {
	return time.Duration(float64(r.check.interval()) * (.5 + .5*spread(instance, r.check.Name)))
}

// spread maps an instance and a check to [0, 1), the same at every start.
func spread(instance, name string) float64 {
	h := fnv.New32a()
	fmt.Fprint(h, instance, "\x00", name)
	return float64(h.Sum32()) / (1 << 32)
}

func (r *runner) run(ctx context.Context) {
	if r.overdue != nil {
		select {
		case <-r.overdue: // late: its result is of no use any more
			r.overdue = nil
		default:
			r.store(r.cell.Load().again(r.check))
			return
		}
	}
	spanCtx, span := r.tracer.Start(ctx, "health.check "+r.check.Name, trace.WithNewRoot(),
		trace.WithAttributes(attrName.String(r.check.Name)))
	defer span.End()
	runCtx, cancel := context.WithTimeout(spanCtx, r.check.timeout())
	defer cancel()

	began := time.Now()
	done := guard.Start(runCtx, r.check.Func)
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
	o := r.cell.Load().next(r.check, err, class)
	o.text = text
	o.ran = time.Now()
	o.took = o.ran.Sub(began)
	if err == nil {
		o.lastSuccess = o.ran
	}
	o.span = span.SpanContext()
	r.store(o)
	r.record(spanCtx, r.check.Name, o)
}

func (r *runner) store(o *outcome) {
	prev := r.cell.Swap(o)
	if prev == nil || prev.failed != o.failed || prev.class != o.class {
		r.changed()
	}
}

func (r *runner) assess(at moment) finding {
	o := r.cell.Load()
	if o == nil {
		return finding{state: Unknown, output: "has not run yet"}
	}
	f := finding{state: Pass, outcome: o, value: o.took.Seconds(), unit: "s", hasValue: true}
	age := at.since(o.ran)
	switch {
	case age > r.check.staleAfter():
		f.state, f.output = Stale, fmt.Sprintf("no run has finished for %v", age.Truncate(time.Second))
	case o.failed && o.err != nil:
		f.state, f.output = Fail, fmt.Sprintf("%s in a row, the last: %s", text.Count(o.failures, "failure"), o.class)
	case o.failed:
		f.state, f.output = Fail, fmt.Sprintf("recovering: %d of %d successes", o.successes, r.check.successes())
	case o.err != nil:
		f.output = fmt.Sprintf("%d of %d failures, the last: %s", o.failures, r.check.failures(), o.class)
	}
	return f
}
