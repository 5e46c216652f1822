package healthcheck

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatch sees each change, whoever is slow, and ends with its context or with
// the Monitor.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		var seen []Lifecycle
		ended := make(chan struct{})
		go func() { // begins before the Monitor does
			defer close(ended)
			for v := range k.Watch(t.Context()) {
				if len(seen) == 0 || seen[len(seen)-1] != v.Lifecycle {
					seen = append(seen, v.Lifecycle)
				}
			}
		}()
		release := k.Hold("warm-up")
		k.start()
		wait(3 * time.Second)
		release()
		wait(3*time.Second + tick/3) // no more at the same instant as a judgement
		slow := 0
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		for v := range k.Watch(ctx) {
			if slow++; v != k.Verdict() {
				t.Error("not the newest verdict")
			}
			wait(4500 * time.Millisecond)
		}
		if took := time.Since(began); slow != 3 || took != 13500*time.Millisecond {
			t.Errorf("%d verdicts in %v, want 3 in 13.5 s", slow, took)
		}
		k.Drain()
		wait(time.Second)
		k.Stop()
		<-ended
		if len(seen) != 3 || seen[0] != Starting || seen[1] != Running || seen[2] != Draining {
			t.Errorf("seen %v", seen)
		}
		for range k.Watch(t.Context()) { // the last verdict, once
			slow++
		}
		if slow != 4 {
			t.Errorf("%d verdicts after Stop, want 1", slow-3)
		}
	})
}

// TestWatchStale: a verdict that nothing follows is given once more when it is stale.
func TestWatchStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t).start()
		wait(tick / 2)
		k.stop() // the goroutines only: not an orderly end
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var seen []State
		for v := range k.Watch(ctx) {
			if v.Stale() != (len(seen) == 1) {
				t.Errorf("verdict %d: stale %v", len(seen), v.Stale())
			}
			seen = append(seen, k.Status(Readiness))
		}
		if len(seen) != 2 || seen[0] != Pass || seen[1] != Fail {
			t.Errorf("seen %v, want pass and, once stale, fail", seen)
		}
	})
}
