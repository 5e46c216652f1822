package healthcheck

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// TestOutcomeToAnswer measures in real time how long it takes from the end of a run with a new
// outcome until /ready answers with another code. It logs the figures. The limit is wide, because
// the machine may be busy.
func TestOutcomeToAnswer(t *testing.T) {
	const flips, absurd = 100, 5 * time.Second
	began := time.Now()
	var down atomic.Bool
	var changed atomic.Int64 // end of the first run with a new outcome, in nanoseconds after began
	var was error
	k := newKit(t, ofChecks(Check{Name: "database", Interval: 20 * time.Millisecond, FailureThreshold: 1, SuccessThreshold: 1,
		Func: func(context.Context) (err error) {
			if down.Load() {
				err = errDown
			}
			if err != was {
				was = err
				changed.Store(int64(time.Since(began)))
			}
			return err
		}})).start()
	r := httptest.NewRequest("GET", "/ready", nil)
	answer := func() int {
		w := httptest.NewRecorder()
		k.handler.ServeHTTP(w, r)
		return w.Code
	}
	// answers polls until /ready answers with the code. It sleeps in between, because the machine
	// may have only one processor.
	answers := func(code int) time.Duration {
		for start := time.Now(); answer() != code; time.Sleep(50 * time.Microsecond) {
			if time.Since(start) > 4*absurd {
				t.Fatalf("/ready does not answer %d", code)
			}
		}
		return time.Since(began)
	}
	answers(http.StatusOK)
	var took []time.Duration
	for n := range flips {
		code := http.StatusServiceUnavailable
		if n%2 == 1 {
			code = http.StatusOK
		}
		down.Store(code != http.StatusOK)
		took = append(took, answers(code)-time.Duration(changed.Load()))
	}
	slices.Sort(took)
	t.Logf("from a check's outcome to /ready: p50 %v, p99 %v, max %v of %d flips",
		took[flips/2], took[flips*99/100-1], took[flips-1], flips)
	if p99 := took[flips*99/100-1]; p99 > absurd {
		t.Errorf("p99 is %v", p99)
	}
}
