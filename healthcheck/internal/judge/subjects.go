package judge

import (
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Runs judges a check by its runs.
type Runs struct{ *run.Runner }

// Evaluate returns the check's finding at an instant.
func (r Runs) Evaluate(at memory.Instant) Finding {
	o := r.Last()
	if o == nil {
		return Finding{State: verdict.Unknown, Reason: "has not run yet", None: true}
	}
	f := Finding{State: verdict.Pass, Outcome: o, Value: o.Took.Seconds(), Unit: "s", HasValue: true, Starts: o.Starts}
	if o.Observed != nil {
		f.Value, f.Unit = o.Observed.Value, o.Observed.Unit
	}
	age := at.Since(o.Ran)
	switch {
	case age > r.Check.StaleAfter():
		f.State, f.Reason = verdict.Stale, fmt.Sprintf("no run has finished for %v", age.Truncate(time.Second))
	case o.Failed && o.Failures > 0:
		f.State, f.Reason = verdict.Fail, fmt.Sprintf("%s in a row, the last: %s", text.Count(o.Failures, "failure"), o.Class)
	case o.Failed:
		f.State, f.Reason = verdict.Fail, fmt.Sprintf("recovering: %d of %d successes", o.Successes, r.Check.SuccessThreshold)
	case o.Warned:
		f.State, f.Reason = verdict.Warn, "works, with a warning: "+o.Class
	case o.Failures > 0:
		f.Reason = fmt.Sprintf("%d of %d failures, the last: %s", o.Failures, r.Check.FailureThreshold, o.Class)
	}
	return f
}

// Beats judges a worker by its beats.
type Beats struct {
	Stall time.Duration
	Last  func() (last time.Time, active int64)
}

// Evaluate returns the worker's finding at an instant.
func (b Beats) Evaluate(at memory.Instant) Finding {
	last, active := b.Last()
	if active <= 0 {
		return Finding{State: verdict.Pass}
	}
	silent := at.Since(last)
	f := Finding{State: verdict.Pass, HasValue: true, Value: max(0, silent).Seconds(), Unit: "s"}
	if silent > b.Stall {
		f.State, f.Reason = verdict.Fail, fmt.Sprintf("no beat for %v with %d active", silent.Truncate(time.Second), active)
	}
	return f
}
