package checks

import (
	"context"

	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
)

// Observe shows a number beside the result of a check, such as the lag of a replica or the number of open
// connections. Call it in a check's Func, with the context that Func got:
//
//	func(ctx context.Context) error {
//		lag, err := replica.Lag(ctx)
//		checks.Observe(ctx, lag.Seconds(), "s")
//		return err
//	}
//
// The number is observedValue in responses, and health.check.value. It does not change the verdict. To
// change it, return an error or a [Warning]. The last number of a run counts, and the next run begins
// without one. The unit is a UCUM unit such as "s", "By", "%" or "{connection}", or empty for none, and
// at most 32 bytes long. NaN and infinity are ignored, and so is a call with a ctx that is not of a
// check. Any goroutine may call Observe.
func Observe(ctx context.Context, value float64, unit string) { run.Observe(ctx, value, unit) }
