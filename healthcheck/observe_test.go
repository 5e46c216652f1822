package healthcheck

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestObserve: the number of a check's run is in the response, in the verdict and in
// health.check.value, also if the run fails. A run without a number shows its duration.
func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type answer struct {
			lag float64
			err error
		}
		var seen atomic.Pointer[answer]
		seen.Store(&answer{lag: 12.5})
		k := newKit(t, ofChecks(
			Check{Name: "replica", Interval: time.Second, Func: func(ctx context.Context) error {
				now := seen.Load()
				if now.lag != 0 {
					run.Observe(ctx, 1, "s")
					run.Observe(ctx, now.lag, "s")
					run.Observe(ctx, math.NaN(), "s")
				}
				return now.err
			}},
			Check{Name: "plain", Func: ok},
		)).start()
		value := func(name string) float64 { return k.metric("health.check.value", conventions.CheckName.String(name)) }
		want := func(state verdict.State, number float64) {
			t.Helper()
			wait(10 * time.Second)
			k.state("replica", state)
			if got := k.result("replica"); *got.Value != number || got.Unit != "s" || value("replica") != number {
				t.Errorf("%+v, value %v, exported %v; want %v s", got, *got.Value, value("replica"), number)
			}
			_, body := k.get("/ready?verbose")
			entry := body["checks"].(map[string]any)["replica"].([]any)[0].(map[string]any)
			if _, took := entry["took"]; !took || entry["observedValue"] != number {
				t.Errorf("body: %v", entry)
			}
		}
		want(verdict.Pass, 12.5)
		if value("plain") != -1 {
			t.Error("a check without a number has a value")
		}
		seen.Store(&answer{99, errDown})
		want(verdict.Fail, 99)
		seen.Store(&answer{})
		wait(10 * time.Second)
		if got := k.result("replica"); *got.Value != 0 || value("replica") != -1 {
			t.Errorf("a run without a number: %+v, exported %v", got, value("replica"))
		}
		run.Observe(context.Background(), 1, "s") // without a run it does nothing
	})
}
