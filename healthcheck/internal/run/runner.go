package run

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

// Func is one function and its schedule.
type Func struct {
	Name             string
	Run              func(context.Context) error
	Interval         time.Duration // from the start of a run to the next
	Timeout          time.Duration // of one run
	FailureThreshold int           // failures in a row until it has failed
	SuccessThreshold int           // successes in a row until it works again
}

// once reports whether the interval is so long that the check runs only once.
func (f *Func) once() bool { return f.Interval > (math.MaxInt64-f.Timeout)/3 }

// StaleAfter is the age at which an outcome is stale.
func (f *Func) StaleAfter() time.Duration {
	if f.once() {
		return math.MaxInt64
	}
	return 3*f.Interval + f.Timeout
}

// maxNotice limits Notice: peers don't wait longer for a check with large timeouts or thresholds.
const maxNotice = 10 * time.Minute

// Notice is the time from the start of a first failed run until the check has failed, at most.
func (f *Func) Notice() (d time.Duration) {
	pause := firstPause
	for range f.FailureThreshold - 1 {
		d += max(min(pause, f.Interval), min(f.Timeout, maxNotice)+rest)
		if pause *= 2; d > maxNotice {
			break
		}
	}
	return min(d+min(f.Timeout, maxNotice), maxNotice)
}

// Record exports one finished run, in the context of its span.
type Record func(ctx context.Context, name string, o *Outcome)

// A Runner runs one check. Only the goroutine of Loop writes the outcome.
type Runner struct {
	Check   Func
	jitter  float64 // from 0 to 1, by instance and check
	last    atomic.Pointer[Outcome]
	tracer  trace.Tracer
	record  Record
	changed func() // called if the state of the outcome has changed
	errors  guard.Errors
	spans   guard.Site    // calls of foreign span processors
	records guard.Site    // calls of record; views and exemplars of users run there
	soon    time.Duration // until the next run, while runs fail
	spread  bool          // the runs have the phase of this instance
	late    <-chan error  // result of a run that timed out and has not returned
	hurry   chan struct{} // asks for a run soon
	hurried atomic.Int64  // time of the last Hurry, in nanoseconds since made
	made    time.Time
}

// New makes the runner of one check. Loop runs it. The goroutine of Loop calls changed, so changed must not
// block. tracer and record may misbehave: a run waits 100 ms at most for each of them.
func New(check Func, jitter float64, tracer trace.Tracer, record Record, changed func()) *Runner {
	return &Runner{Check: check, jitter: jitter, tracer: tracer, record: record, changed: changed, soon: firstPause,
		hurry: make(chan struct{}, 1), made: time.Now()}
}

// Last returns the last outcome; nil before the end of the first run. Any goroutine may call it.
func (r *Runner) Last() *Outcome { return r.last.Load() }

// firstPause is the time from the start of the first failed run to the next. It doubles up to the
// interval, so a failure is confirmed or over within seconds.
const firstPause = time.Second

// rest is the minimum time from the end of a failed run to the next. If a run timed out and obeys its context,
// it has returned by then and does not count twice.
const rest = time.Second / 2

// Loop runs the check until ctx is done: at once, then every interval, and sooner after a failure.
// The phase differs by instance, so that a fleet that starts together does not run its checks
// together, even if the dependency was down at first.
func (r *Runner) Loop(ctx context.Context) {
	next := time.Now()
	for ctx.Err() == nil { // await may return at its timer although ctx is done
		r.run(ctx)
		next = next.Add(r.pause())
		earliest := time.Now() // after a suspension, don't catch up
		if o := r.Last(); o != nil && !o.worked() {
			earliest = earliest.Add(min(rest, r.Check.Interval))
		}
		if next.Before(earliest) {
			next = earliest
		}
		if next = r.await(ctx, earliest, next); ctx.Err() != nil {
			return
		}
	}
}

// await waits until next and returns it. If Hurry asks for it, next is sooner, but not before earliest.
func (r *Runner) await(ctx context.Context, earliest, next time.Time) time.Time {
	wait := time.NewTimer(time.Until(next))
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return next
		case <-wait.C:
			return next
		case <-r.hurry:
			sooner := time.Now().Add(time.Duration(r.jitter * float64(hurryTime)))
			if sooner.Before(earliest) {
				sooner = earliest
			}
			if sooner.Before(next) {
				next = sooner
				wait.Reset(time.Until(next))
			}
		}
	}
}

const (
	hurryTime = time.Second     // a hurried run begins within this time
	hurryRest = 5 * time.Second // from one hurried run to the next, so that nobody can make a check run more often
)

// Hurry brings the next run forward to within a second, by the phase of the instance. It does so every
// 5 s at most, and waits for nothing. A check that runs once is not hurried. Any goroutine may call it.
func (r *Runner) Hurry() {
	if r.Check.once() {
		return
	}
	now := max(1, int64(time.Since(r.made)))
	last := r.hurried.Load()
	if last != 0 && time.Duration(now-last) < hurryRest || !r.hurried.CompareAndSwap(last, now) {
		return
	}
	select {
	case r.hurry <- struct{}{}:
	default: // a run is asked for already
	}
}

// pause returns the time from the start of one run to the next.
func (r *Runner) pause() time.Duration {
	interval, soon := r.Check.Interval, r.soon
	switch o := r.Last(); {
	case o != nil && !o.worked():
		r.soon = min(2*soon, interval)
		return min(soon, interval)
	case o != nil && o.Failed: // recovering
		r.soon = firstPause
		return min(firstPause, interval)
	}
	r.soon = firstPause
	if !r.spread { // only after the first success: failing first runs come at the same times in all instances
		r.spread = true
		return r.phase()
	}
	return interval
}

// phase is the first pause of a passing check, which differs by instance.
func (r *Runner) phase() time.Duration {
	return time.Duration(float64(r.Check.Interval) * (.5 + .5*r.jitter))
}

func (r *Runner) run(ctx context.Context) {
	if r.late != nil {
		select {
		case <-r.late: // the late result does not count
			r.late = nil
		default:
			r.store(r.Last().hung(&r.Check, time.Now()))
			return
		}
	}
	spanCtx, span := r.begin(ctx)
	class := ""
	defer func() { r.end(span, class) }()
	runCtx, cancel := context.WithTimeout(spanCtx, r.Check.Timeout)
	defer cancel()

	began := time.Now()
	funcCtx, said := saying(runCtx)
	done := guard.Start(funcCtx, r.Check.Run, r.Check.Run)
	var err error
	select {
	case err = <-done:
	case <-runCtx.Done():
		select {
		case err = <-done:
		default:
			err = context.DeadlineExceeded
			r.late = done
		}
	}
	ran := time.Now()
	if ctx.Err() != nil {
		return // the Monitor has stopped, so the result says nothing about the dependency
	}

	d := r.errors.Describe(err)
	last := r.Last()
	o := last.next(&r.Check, err, d)
	if last != nil {
		o.Starts = last.Starts
	}
	o.Starts = o.Starts.after(o, began)
	if !o.worked() {
		class = d.Class
	}
	o.Observed, o.Alone = said.observed.Load(), said.alone.Load()
	o.Ran = ran
	o.Took = o.Ran.Sub(began)
	if o.worked() {
		o.LastSuccess = o.Ran
	}
	o.Span = span.context
	r.store(o)
	_ = r.records.Run(func() { r.record(spanCtx, r.Check.Name, o) }) // after a fault this measurement is missing
}

func (r *Runner) store(o *Outcome) {
	prev := r.last.Swap(o)
	if prev == nil || prev.Failed != o.Failed || prev.Class != o.Class || prev.Warned != o.Warned {
		r.changed()
	}
}
