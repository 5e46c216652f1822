package guard

import (
	"sync"
	"sync/atomic"
	"time"
)

// Limit is how long we wait for foreign code that has no limit of its own.
const Limit = 100 * time.Millisecond

// A Site is one place that calls foreign code, such as the function of one queue or the error of one check.
// Calls run one at a time. If a call hangs, the Site leaves it behind. Until it returns, the Site makes no
// other call and returns Stale at once. The zero Site is ready.
type Site struct {
	mu     sync.Mutex    // never held while foreign code runs
	done   chan struct{} // closed after the present call; nil if there is none
	behind bool          // the present call is left behind
}

// left is how many calls are left behind now.
var left atomic.Int64

// Left returns how many calls of all sites are left behind now.
func Left() int64 { return left.Load() }

// Run runs f on another goroutine and returns within Limit, and within twice Limit if another call of
// the Site is in progress. f must not write what the caller reads; use Ask for an answer.
func (s *Site) Run(f func()) error {
	_, err := Ask(s, func() struct{} { f(); return struct{}{} })
	return err
}

// Ask runs f on another goroutine and returns its answer, or a Fault, as fast as Run. It uses no pool of
// goroutines or timers: a pool would save nothing, look like a leak in users' tests, and live outside of a
// bubble of testing/synctest.
func Ask[T any](s *Site, f func() T) (answer T, err error) {
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	done, free := s.enter(limit.C)
	if !free {
		return answer, &Fault{Kind: Stale}
	}
	c := &call[T]{fault: &Fault{Kind: Exited}}
	go func() {
		defer s.leave()
		c.run(f)
	}()
	limit.Reset(Limit)
	select {
	case <-done:
	case <-limit.C:
		if s.abandon(done) {
			return answer, &Fault{Kind: Stale}
		}
	}
	if c.fault != nil {
		return answer, c.fault
	}
	return c.answer, nil
}

// enter begins a call as soon as the last one has ended. done is closed when the new call ends.
func (s *Site) enter(limit <-chan time.Time) (done chan struct{}, free bool) {
	for {
		s.mu.Lock()
		before, behind := s.done, s.behind
		if before == nil {
			s.done = make(chan struct{})
			done = s.done
		}
		s.mu.Unlock()
		switch {
		case before == nil:
			return done, true
		case behind:
			return nil, false
		}
		select {
		case <-before:
		case <-limit:
			return nil, false
		}
	}
}

// leave ends the present call.
func (s *Site) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind {
		left.Add(-1)
	}
	close(s.done)
	s.done, s.behind = nil, false
}

// abandon leaves a call behind, unless it has ended at this moment.
func (s *Site) abandon(done chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != done {
		return false
	}
	s.behind = true
	left.Add(1)
	return true
}

// call is the result of one call. Its goroutine writes it.
type call[T any] struct {
	answer T
	fault  *Fault
}

func (c *call[T]) run(f func() T) {
	defer func() {
		if p := recover(); p != nil {
			c.fault = panicked(p)
		}
	}()
	c.answer = f()
	c.fault = nil
}
