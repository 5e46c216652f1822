package checks

import (
	"context"

	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
)

// Observe shows a number beside the result of a check: how far a replica is behind, how many
// connections are open. Call it in a check's Func, with the context that Func got:
//
//	func(ctx context.Context) error {
//		lag, err := replica.Lag(ctx)
//		checks.Observe(ctx, lag.Seconds(), "s")
//		return err
//	}
//
// The number is the check's observedValue in responses, and health.check.value. It changes no
// verdict: return an error, or Warning of one, for that. The last number of a run
// counts, and the next run begins without one. The unit is one of UCUM, such as "s", "By", "%" or
// "{connection}"; empty for none. NaN and infinity are ignored, and so is a ctx that is not a
// check's. Any goroutine may call Observe.
func Observe(ctx context.Context, value float64, unit string) { run.Observe(ctx, value, unit) }
