package healthcheck

import (
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

// activeSubject judges what the runs of an active check have come to.
type activeSubject struct{ *run.Runner }

func (r activeSubject) assess(at memory.Moment) finding {
	o := r.Last()
	if o == nil {
		return finding{state: Unknown, output: "has not run yet"}
	}
	f := finding{state: Pass, outcome: o, value: o.Took.Seconds(), unit: "s", hasValue: true}
	age := at.Since(o.Ran)
	switch {
	case age > r.Check.StaleAfter():
		f.state, f.output = Stale, fmt.Sprintf("no run has finished for %v", age.Truncate(time.Second))
	case o.Failed && o.Err != nil:
		f.state, f.output = Fail, fmt.Sprintf("%s in a row, the last: %s", text.Count(o.Failures, "failure"), o.Class)
	case o.Failed:
		f.state, f.output = Fail, fmt.Sprintf("recovering: %d of %d successes", o.Successes, r.Check.Successes)
	case o.Err != nil:
		f.output = fmt.Sprintf("%d of %d failures, the last: %s", o.Failures, r.Check.Failures, o.Class)
	}
	return f
}

// beatSubject judges a worker by its beats.
type beatSubject struct {
	stall time.Duration
	beats func() (last time.Time, active int64)
}

func (h beatSubject) assess(at memory.Moment) finding {
	last, active := h.beats()
	if active <= 0 {
		return finding{state: Pass}
	}
	silent := at.Since(last)
	f := finding{state: Pass, hasValue: true, value: max(0, silent).Seconds(), unit: "s"}
	if silent > h.stall {
		f.state, f.output = Fail, fmt.Sprintf("no beat for %v with %d active", silent.Truncate(time.Second), active)
	}
	return f
}
