package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// outcome is what one active check's runs have come to. It is immutable: the
// judge and the exported instruments read the same record.
type outcome struct {
	ran         time.Time     // when the last run finished
	took        time.Duration // that run
	err         error         // nil after a success
	class       string        // bounded name of err: the error.type
	failures    int           // in a row
	successes   int           // in a row
	failed      bool          // by the thresholds
	lastSuccess time.Time
	span        trace.SpanContext
}

// runner runs one active check. Its goroutine alone writes the cell.
type runner struct {
	check   Check
	cell    atomic.Pointer[outcome]
	tracer  trace.Tracer
	record  func(context.Context, string, *outcome) // exports one finished run
	changed func()                                  // the outcome's state is another
	classes map[string]bool
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
	done := make(chan error, 1)
	go func() {
		err := errExit
		defer func() { done <- err }()
		err = call(runCtx, r.check.Func)
	}()
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

	class := r.class(err)
	if err != nil {
		span.SetStatus(codes.Error, class)
		span.SetAttributes(semconv.ErrorTypeKey.String(class))
	}
	o := r.cell.Load().next(r.check, err, class)
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

// errPanic is a panic of a check's Func.
type errPanic struct{ value any }

func (e errPanic) Error() string { return fmt.Sprint("panic: ", e.value) }

// errExit is the end of a Func by runtime.Goexit, as a test's FailNow does it.
var errExit = errors.New("the check ended its goroutine")

func call(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic{p}
		}
	}()
	return f(ctx)
}

// maxClasses bounds the error.type values of one check.
const maxClasses = 16

// class names an error for attributes and bodies: bounded, and never its text.
func (r *runner) class(err error) string {
	class := ""
	var p errPanic
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		class = "panic"
	case errors.Is(err, context.DeadlineExceeded):
		class = "timeout"
	default:
		// An error may name its own type; one that is no UTF-8 would stop every export.
		class = shorten(strings.ToValidUTF8(semconv.ErrorType(err).Value.AsString(), "?"), 2*maxName)
	}
	if !r.classes[class] {
		if len(r.classes) >= maxClasses {
			return semconv.ErrorTypeOther.Value.AsString()
		}
		r.classes[class] = true
	}
	return class
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
		f.state, f.output = Fail, fmt.Sprintf("%s in a row, the last: %s", count(o.failures, "failure"), o.class)
	case o.failed:
		f.state, f.output = Fail, fmt.Sprintf("recovering: %d of %d successes", o.successes, r.check.successes())
	case o.err != nil:
		f.output = fmt.Sprintf("%d of %d failures, the last: %s", o.failures, r.check.failures(), o.class)
	}
	return f
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
