package healthcheck

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestWatch: Watch yields every change to a fast reader and the newest verdict to a slow one. It
// ends with its context or with the Monitor.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{})
		var seen []string
		ended := make(chan struct{})
		go func() { // begins before the Monitor does
			defer close(ended)
			for v := range k.Watch(t.Context()) {
				if len(seen) == 0 || seen[len(seen)-1] != v.Phase {
					seen = append(seen, v.Phase)
				}
			}
		}()
		release := k.Hold("warm-up")
		k.start()
		wait(3 * time.Second)
		release()
		wait(3*time.Second + tick/3) // so that the reader and judgements have different instants
		slow := 0
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		for v := range k.Watch(ctx) {
			if slow++; v.Time != k.Verdict().Time {
				t.Error("not the newest verdict")
			}
			wait(4500 * time.Millisecond)
		}
		if took := time.Since(began); slow != 3 || took != 13500*time.Millisecond {
			t.Errorf("%d verdicts in %v, want 3 in 13.5 s", slow, took)
		}
		k.beginDrain()
		wait(time.Second)
		k.Stop()
		<-ended
		if len(seen) != 3 || seen[0] != "starting" || seen[1] != "running" || seen[2] != "draining" {
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

// TestWatchStale: if no verdict follows, Watch yields the last one again when it is stale.
func TestWatchStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{}).start()
		wait(tick / 2)
		k.halt() // only the goroutines; this is not Stop
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var seen []verdict.State
		for v := range k.Watch(ctx) {
			seen = append(seen, v.Readiness.State)
			if now := k.Verdict().Readiness; now != v.Readiness {
				t.Errorf("Watch yields %+v, and Verdict returns %+v", v.Readiness, now)
			}
		}
		if len(seen) != 2 || seen[0] != verdict.Pass || seen[1] != verdict.Fail {
			t.Errorf("seen %v, want pass and, once stale, fail", seen)
		}
	})
}

// TestWatchBeforeStart: an unjudged verdict does not grow stale, so Watch yields it once.
func TestWatchBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		n := 0
		for v := range New(Config{}).Watch(ctx) {
			if n++; v.Readiness.State != verdict.Fail || v.Phase != "starting" {
				t.Errorf("%+v", v)
			}
		}
		if n != 1 {
			t.Errorf("given %d times", n)
		}
	})
}
