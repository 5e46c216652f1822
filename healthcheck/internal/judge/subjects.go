package judge

import (
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// activeSubject judges what the runs of an active check have come to.
type Runs struct{ *run.Runner }

func (r Runs) Assess(at memory.Moment) Finding {
	o := r.Last()
	if o == nil {
		return Finding{State: verdict.Unknown, Output: "has not run yet"}
	}
	f := Finding{State: verdict.Pass, Outcome: o, Value: o.Took.Seconds(), unit: "s", HasValue: true}
	age := at.Since(o.Ran)
	switch {
	case age > r.Check.StaleAfter():
		f.State, f.Output = verdict.Stale, fmt.Sprintf("no run has finished for %v", age.Truncate(time.Second))
	case o.Failed && o.Err != nil:
		f.State, f.Output = verdict.Fail, fmt.Sprintf("%s in a row, the last: %s", text.Count(o.Failures, "failure"), o.Class)
	case o.Failed:
		f.State, f.Output = verdict.Fail, fmt.Sprintf("recovering: %d of %d successes", o.Successes, r.Check.Successes)
	case o.Err != nil:
		f.Output = fmt.Sprintf("%d of %d failures, the last: %s", o.Failures, r.Check.Failures, o.Class)
	}
	return f
}

// beatSubject judges a worker by its beats.
type Beats struct {
	Stall time.Duration
	Beats func() (last time.Time, active int64)
}

func (h Beats) Assess(at memory.Moment) Finding {
	last, active := h.Beats()
	if active <= 0 {
		return Finding{State: verdict.Pass}
	}
	silent := at.Since(last)
	f := Finding{State: verdict.Pass, HasValue: true, Value: max(0, silent).Seconds(), unit: "s"}
	if silent > h.Stall {
		f.State, f.Output = verdict.Fail, fmt.Sprintf("no beat for %v with %d active", silent.Truncate(time.Second), active)
	}
	return f
}
