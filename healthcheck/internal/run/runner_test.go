package run

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
)

var errDown = errors.New("down")

// timesOf runs a check for a while and returns the start times of its runs, since the first.
func timesOf(t *testing.T, jitter float64, long time.Duration, f Func) (starts []time.Duration, last *Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		inner := f.Run
		f.Run = func(ctx context.Context) error {
			starts = append(starts, time.Since(began))
			return inner(ctx)
		}
		r := New(f, jitter, noop.NewTracerProvider().Tracer(""), func(context.Context, string, *Outcome) {}, func() {})
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		r.Loop(ctx)
		last = r.Last()
	})
	return starts, last
}

func checkTimes(t *testing.T, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("runs began at %v; want %v", got, want)
	}
	for n := range want {
		if got[n] != want[n] {
			t.Fatalf("runs began at %v; want %v", got, want)
		}
	}
}

// TestOnce: the outcome of a check that runs once, because its interval is the longest one, stays.
func TestOnce(t *testing.T) {
	for _, f := range []Func{{Interval: math.MaxInt64, Timeout: time.Second}, {Interval: math.MaxInt64, Timeout: math.MaxInt64}, {Interval: math.MaxInt64 / 3, Timeout: time.Hour}} {
		if age := f.StaleAfter(); age != math.MaxInt64 {
			t.Errorf("%v is stale after %v", f.Interval, age)
		}
	}
	f := Func{Interval: time.Minute, Timeout: time.Second}
	if age := f.StaleAfter(); age != 181*time.Second {
		t.Errorf("a minute is stale after %v", age)
	}
}

// TestPhase: later runs differ by instance, and are the same at every start.
func TestPhase(t *testing.T) {
	works := Func{Run: func(context.Context) error { return nil }, Interval: 10 * time.Second, Timeout: time.Second, FailureThreshold: 3, SuccessThreshold: 2}
	for jitter, second := range map[float64]time.Duration{0: 5 * time.Second, .5: 7500 * time.Millisecond, 1: 10 * time.Second} {
		starts, _ := timesOf(t, jitter, 29*time.Second, works)
		want := []time.Duration{0}
		for at := second; at < 29*time.Second; at += 10 * time.Second {
			want = append(want, at)
		}
		checkTimes(t, starts, want...)
	}
}

// TestPhaseAfterFailures: if the first runs of instances failed together, their runs differ after
// the first success.
func TestPhaseAfterFailures(t *testing.T) {
	s := time.Second
	var n atomic.Int64
	f := Func{Interval: 10 * s, Timeout: s, FailureThreshold: 3, SuccessThreshold: 1, Run: func(context.Context) error {
		if n.Add(1) < 3 {
			return errDown
		}
		return nil
	}}
	starts, _ := timesOf(t, .5, 24*s, f)
	//                  fails +1 +2   works, half and a quarter of an interval, a whole one
	checkTimes(t, starts, 0, 1*s, 3*s, 10500*time.Millisecond, 20500*time.Millisecond)
}

// TestRetries: the run after a failed one comes after 1, 2, 4 s, and so on up to the interval.
// If a failed check succeeds, its next run comes after 1 s.
func TestRetries(t *testing.T) {
	s := time.Second
	f := Func{Interval: 5 * s, Timeout: 2 * s, FailureThreshold: 3, SuccessThreshold: 2}

	f.Run = func(context.Context) error { return errDown }
	starts, last := timesOf(t, 1, 23*s, f)
	checkTimes(t, starts, 0, 1*s, 3*s, 7*s, 12*s, 17*s, 22*s)
	if !last.Failed || last.Failures != 7 {
		t.Errorf("%+v", last)
	}

	var n atomic.Int64
	f.Run = func(context.Context) error { // works, fails four times, works
		if i := n.Add(1); i > 1 && i < 6 {
			return errDown
		}
		return nil
	}
	starts, last = timesOf(t, 1, 24*s, f)
	//                  works fails  +1   +2   +4   works, +1: recovered, +5
	checkTimes(t, starts, 0, 5*s, 6*s, 8*s, 12*s, 17*s, 18*s, 23*s)
	if last.Failed || last.Successes != 3 {
		t.Errorf("%+v", last)
	}

	n.Store(0)
	f.Run = func(context.Context) error { // a success follows one failure within a second, and the next failure begins at 1 s again
		if i := n.Add(1); i == 2 || i == 4 {
			return errDown
		}
		return nil
	}
	starts, _ = timesOf(t, 1, 18*s, f)
	checkTimes(t, starts, 0, 5*s, 6*s, 11*s, 12*s, 17*s)

	n.Store(0)
	f.Interval = 500 * time.Millisecond // never longer than the interval
	f.Run = func(context.Context) error { return errDown }
	starts, _ = timesOf(t, 1, 1800*time.Millisecond, f)
	checkTimes(t, starts, 0, s/2, s, 3*s/2)
}

// TestRetriesOfHungRuns: after a timeout at least half a second passes, so that a run that obeys
// its context has returned and counts once. A run that ignores its context counts at the end of
// each pause and is not started again.
func TestRetriesOfHungRuns(t *testing.T) {
	s := time.Second
	f := Func{Interval: 5 * s, Timeout: 2 * s, FailureThreshold: 3, SuccessThreshold: 2}
	f.Run = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	starts, last := timesOf(t, 1, 17*s, f)
	checkTimes(t, starts, 0, 5*s/2, 5*s, 9*s, 14*s)
	if last.Failures != 5 || last.Class != "timeout" {
		t.Errorf("%+v", last)
	}

	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		f.Run = func(context.Context) error { <-open; return nil }
		r := New(f, 1, noop.NewTracerProvider().Tracer(""), func(context.Context, string, *Outcome) {}, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		go r.Loop(ctx)
		time.Sleep(s / 4)
		for second, want := range []int{0, 0, 1, 2, 2, 3, 3, 3, 3, 4} {
			failures := 0
			if o := r.Last(); o != nil {
				failures = o.Failures
			}
			if failures != want {
				t.Errorf("after %d.25 s: %d failures, want %d", second, failures, want)
			}
			time.Sleep(s)
		}
		cancel()
		close(open)
		synctest.Wait()
	})
}

// TestHurry: a run comes within a second, by the phase of the instance, and every 5 s at most. One that
// is due sooner stays.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var starts []time.Duration
		f := Func{Interval: time.Minute, Timeout: time.Second, FailureThreshold: 3, SuccessThreshold: 2, Run: func(context.Context) error {
			starts = append(starts, time.Since(began))
			return nil
		}}
		r := New(f, .5, noop.NewTracerProvider().Tracer(""), func(context.Context, string, *Outcome) {}, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Loop(ctx)
		time.Sleep(10 * time.Second)
		for range 120 { // 12 s
			r.Hurry()
			time.Sleep(100 * time.Millisecond)
		}
		s := time.Second
		synctest.Wait()
		checkTimes(t, starts, 0, 10*s+s/2, 15*s+s/2, 20*s+s/2)
		time.Sleep(58*s - time.Since(began) + 22*s) // 80 s
		r.Hurry()
		time.Sleep(10 * s)
		synctest.Wait()
		checkTimes(t, starts, 0, 10*s+s/2, 15*s+s/2, 20*s+s/2, 80*s+s/2)
	})
}

// TestHurryOnce: Hurry has no effect on a check that runs only once, because it may be a migration.
func TestHurryOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		f := Func{Interval: math.MaxInt64, Timeout: time.Second, FailureThreshold: 3, SuccessThreshold: 2, Run: func(context.Context) error { runs++; return nil }}
		r := New(f, .5, noop.NewTracerProvider().Tracer(""), func(context.Context, string, *Outcome) {}, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Loop(ctx)
		for range 60 {
			r.Hurry()
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if runs != 1 {
			t.Errorf("%d runs", runs)
		}
	})
}

// TestNotice: no sequence of runs takes longer than Notice until the check has failed, and one takes as long.
func TestNotice(t *testing.T) {
	for _, c := range []struct {
		f    Func
		want time.Duration
	}{
		{Func{Interval: 5 * time.Second, Timeout: 100 * time.Millisecond, FailureThreshold: 3}, 3100 * time.Millisecond},
		{Func{Interval: 15 * time.Second, Timeout: 5 * time.Second, FailureThreshold: 3}, 16 * time.Second},
		{Func{Interval: time.Minute, Timeout: 20 * time.Second, FailureThreshold: 1}, 20 * time.Second},
		{Func{Interval: math.MaxInt64, Timeout: math.MaxInt64, FailureThreshold: math.MaxInt}, maxNotice},
	} {
		if got := c.f.Notice(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.f, got, c.want)
		}
		if c.want == maxNotice {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			var began time.Time
			f := c.f
			f.SuccessThreshold = 1
			f.Run = func(ctx context.Context) error {
				if time.Since(began) < 0 {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}
			began = time.Now().Add(time.Second)
			r := New(f, .9, noop.NewTracerProvider().Tracer(""), func(context.Context, string, *Outcome) {}, func() {})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go r.Loop(ctx)
			for r.Last() == nil || !r.Last().Failed {
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Since(r.Last().Starts.Row); took > c.want+50*time.Millisecond || took < c.want-50*time.Millisecond {
				t.Errorf("%+v: it has failed after %v, want %v", c.f, took, c.want)
			}
		})
	}
}

// TestStarts: an outcome has the starts of the runs that decided its state.
func TestStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var fails atomic.Bool
		f := Func{Interval: 10 * time.Second, Timeout: time.Second, FailureThreshold: 2, SuccessThreshold: 2, Run: func(context.Context) error {
			time.Sleep(100 * time.Millisecond)
			if fails.Load() {
				return errDown
			}
			return nil
		}}
		r := New(f, 1, noop.NewTracerProvider().Tracer(""), func(context.Context, string, *Outcome) {}, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Loop(ctx)
		at := func(s float64) time.Time {
			if s < 0 {
				return time.Time{}
			}
			return began.Add(time.Duration(s * float64(time.Second)))
		}
		for _, step := range []struct {
			until                 float64
			failsAfter            bool
			row, failure, success float64
		}{
			{5, true, -1, -1, 0},
			{10.5, true, 10, 10, 0},   // the first failure
			{11.5, true, 10, 11, 0},   // it has failed
			{13.5, false, 10, 13, 0},  // and goes on
			{17.5, false, 10, 13, 17}, // a success, and the row is not over
			{18.5, false, -1, 13, 18},
		} {
			time.Sleep(time.Until(at(step.until)))
			fails.Store(step.failsAfter)
			if got, want := r.Last().Starts, (Starts{at(step.row), at(step.failure), at(step.success)}); got != want {
				t.Errorf("at %v s: %+v, want %+v", step.until, got, want)
			}
		}
	})
}
