package healthcheck

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAddAndRemove while the Monitor runs: judged, exported, gone; and the others keep
// what they remember.
func TestAddAndRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Check{Name: "first", Role: Core, Func: func(context.Context) error { return nil }}).start()
		wait(2 * time.Second)
		since := k.Verdict().Checks[0].Since
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		remove := k.addCheck(ctx, Check{Name: "second", Role: Core, Func: func(context.Context) error { return errDown }})
		wait(2 * time.Second)
		k.state("second", Fail)
		k.want("/ready", 503, Fail)
		remove()
		wait(2 * time.Second)
		k.want("/ready", 200, Pass)
		if n := len(k.Verdict().Checks); n != 1 || !k.Verdict().Checks[0].Since.Equal(since) {
			t.Errorf("%d checks; the first is so since %v, want 1 and %v", n, k.Verdict().Checks[0].Since, since)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 20 {
					k.addCheck(ctx, Check{Name: "rule", Limit: Last("m").AtMost(1)})()
				}
			})
		}
		all.Wait()
		wait(time.Second)
		k.want("/ready", 200, Pass)
	})
}
