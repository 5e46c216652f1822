package healthcheck

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Verdict is the outcome of one judgement. It is immutable and may be kept.
type Verdict struct {
	Time      time.Time
	Lifecycle Lifecycle
	Checks    []Result // in the order of Monitor.Checks, then the heartbeats

	judged  *judge.Verdict
	service answer.Who
	page    answer.Page
}

// Result is what one check was judged to be.
type Result = verdict.Result

// newVerdict is what is answered for a judgement.
func newVerdict(j *judge.Verdict, s answer.Who) *Verdict {
	v := &Verdict{Time: j.Time, Lifecycle: j.Lifecycle, judged: j, service: s, Checks: make([]Result, len(j.Checks))}
	for n := range j.Checks {
		v.Checks[n] = j.Checks[n].Result
	}
	v.page = answer.Render(j, s)
	return v
}

// record is the judgement. A verdict that somebody has made by hand has none.
func (v *Verdict) record() *judge.Verdict {
	if v.judged == nil {
		return &judge.Verdict{Time: v.Time, Lifecycle: v.Lifecycle}
	}
	return v.judged
}

// Status is what a probe was judged to be. It does not know of staleness:
// handlers and metrics do.
func (v *Verdict) Status(p Probe) State { return v.record().Rulings[p].State }

// Output is the reason why a probe does not pass; empty where it does.
func (v *Verdict) Output(p Probe) string { return v.record().Rulings[p].Output }

// Since is when the probe entered its state.
func (v *Verdict) Since(p Probe) time.Time { return v.record().Rulings[p].Since }

// Stale reports whether the verdict is older than 15 s and so proves nothing; the
// last one, after [Monitor.Stop], never is.
func (v *Verdict) Stale() bool { return v.record().Stale(time.Now()) }

// JSON is the response for a probe with every check, however many, and with the
// text of errors. It may hold what nobody outside should see: serve it to
// operators only.
func (v *Verdict) JSON(p Probe) []byte {
	return answer.Full(v.record(), v.service, p)
}
