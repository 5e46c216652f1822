package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/internal/guard"
)

const (
	askLimit  = 500 * time.Millisecond // a collection waits for one answer, but see leastWait
	answerAge = 15 * time.Second       // an answer stands in for late ones; also the limit of a question's context

	// leastWait is for each further answer after a collection has waited for collectLimit.
	leastWait = 10 * time.Millisecond
)

// question asks foreign code at every collection: a callback or a Producer. That code may panic, end its
// goroutine, answer late or never. Then only its own answer is missing. The first late answer delays one
// collection by askLimit. After that collections don't wait, and use the last answer. After an answer in
// time they wait again. After each further lapse this needs more answers in time, up to 64.
type question[T any] struct {
	mu     sync.Mutex
	run    *run[T] // in progress; nil if none
	last   *run[T] // the last one that has ended
	needed int     // answers in time, until collections wait again
	lapses int     // late ones among the last answers
	inTime int     // answers since the last lapse
}

// run is one call of the foreign code. Its other fields are final when done is closed.
type run[T any] struct {
	done   chan struct{}
	began  time.Time
	ended  time.Time
	answer T
	failed *fault
}

// ask calls f on another goroutine. Several readers may ask at the same time, and each gets an answer that
// began after its call. f fills in the answer. It counts even if f fails after that.
func (q *question[T]) ask(ctx context.Context, f func(context.Context, *T) error) (answer T, failed *fault) {
	limit := time.NewTimer(waitLimit(ctx))
	defer limit.Stop()
	for {
		q.mu.Lock()
		r, own := q.run, q.run == nil
		if own {
			r = &run[T]{done: make(chan struct{}), began: time.Now()}
			q.run = r
			go q.answer(context.WithoutCancel(ctx), r, f)
		}
		wait := q.needed == 0
		q.mu.Unlock()
		if wait {
			select {
			case <-r.done:
				if own {
					return r.answer, r.failed
				}
				continue // it began before this call
			case <-limit.C:
			}
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		if own && q.run != r {
			return r.answer, r.failed // it has ended at this moment
		}
		if wait {
			q.lapse()
		}
		if q.last != nil && time.Since(q.last.ended) < answerAge {
			answer = q.last.answer
		}
		return answer, &fault{how: "timeout", text: fmt.Sprintf("takes longer than %v", askLimit)}
	}
}

// lapse notes a late answer. mu is held.
func (q *question[T]) lapse() {
	if q.inTime > 64 {
		q.lapses = 0
	}
	q.needed, q.inTime = 1<<q.lapses, 0
	q.lapses = min(q.lapses+1, 6)
}

// waitLimit is how long a collection waits for an answer. Many late ones must not add up.
func waitLimit(ctx context.Context) time.Duration {
	left := askLimit
	if end, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(end))
	}
	return max(left, leastWait)
}

func (q *question[T]) answer(ctx context.Context, r *run[T], f func(context.Context, *T) error) {
	ctx, cancel := context.WithTimeout(ctx, answerAge)
	guard.Do(func() error { return f(ctx, &r.answer) }, func(err error) {
		cancel()
		q.mu.Lock()
		defer q.mu.Unlock()
		r.failed, r.ended = faultOf(err), time.Now()
		q.run, q.last = nil, r
		if r.ended.Sub(r.began) < askLimit {
			q.needed, q.inTime = max(q.needed-1, 0), q.inTime+1
		}
		close(r.done)
	})
}

// fault says how foreign code has failed. It has no text of that code, because the text may contain a password.
type fault struct{ what, how, text string }

func (f *fault) Error() string { return f.what + " " + f.text }

// faultOf is the fault of code that package guard has run; nil if there is none.
func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	failed, is := err.(*guard.Fault)
	switch {
	case !is:
		return &fault{how: "error", text: "returns a " + typeOf(err)}
	case failed.Kind == guard.Panic:
		return &fault{how: "panic", text: "panics with a " + failed.Value}
	}
	return &fault{how: "exit", text: "ends its goroutine"}
}

// typeOf returns the type of an error without the wrappers of fmt.Errorf. It calls none of its
// methods.
func typeOf(err error) string { return unwrappedType(err).String() }

// faults counts and reports faults. They happen while the SDK holds a lock, and a log handler may block. So
// another goroutine reports them.
type faults struct {
	count func(how string)
	tell  func(error)

	mu      sync.Mutex
	waiting []error
	told    chan struct{} // closed when all are reported; nil while no goroutine reports
}

func (f *faults) report(failed *fault, subject, name string) {
	if failed == nil {
		return
	}
	f.count(subject + "_" + failed.how)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) >= maxErrors {
		return // the handler blocks; they are counted
	}
	f.waiting = append(f.waiting, &fault{what: name, how: failed.how, text: failed.text})
	if f.told == nil {
		f.told = make(chan struct{})
		go f.tellAll()
	}
}

// end waits until all faults are reported, within ctx.
func (f *faults) end(ctx context.Context) {
	f.mu.Lock()
	told := f.told
	f.mu.Unlock()
	if told == nil {
		return
	}
	select {
	case <-told:
	case <-ctx.Done():
	}
}

func (f *faults) tellAll() {
	for {
		f.mu.Lock()
		all := f.waiting
		f.waiting = nil
		if len(all) == 0 {
			close(f.told)
			f.told = nil
		}
		f.mu.Unlock()
		if len(all) == 0 {
			return
		}
		for _, err := range all {
			f.tell(err)
		}
	}
}
