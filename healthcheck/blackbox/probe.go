package blackbox

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const (
	// The time between two records of a probe doubles from firstGap to lastGap, so a flapping service writes
	// few. A failure within that time gets its record at its end, if it still lasts.
	firstGap = time.Minute
	lastGap  = time.Hour

	// patience is the age at which a failure gets a record if the instance was never ready. A short wait for
	// a dependency at the start is usual.
	patience = 5 * time.Minute
)

// probe is the memory of one probe. Failures on purpose, such as maintenance, are left out.
type probe struct {
	state verdict.State // as in readinessOf; empty before the first verdict
	due   time.Time     // of the record of this failure; zero if there is none to write
	next  time.Time     // no record before it
	gap   time.Duration
}

// readinessOf returns readiness for a record: Fail; Warn if only the votes of peers keep it from failing;
// or Pass.
func readinessOf(v *verdict.Verdict) verdict.Result {
	r := v.Readiness
	if r.State == verdict.Fail {
		return r
	}
	r.State = verdict.Pass
	for n := range v.Results {
		c := &v.Results[n]
		if failing(c) && c.OnFail == healthcheck.NotReady { // readiness passes only by the votes of peers
			return verdict.Result{Name: r.Name, State: verdict.Warn, Since: c.Since, Reason: c.Name + ": " + c.Reason}
		}
	}
	return r
}

// see takes a state. began and passes report that a failure begins and ends. A change from Warn to Fail is
// a new failure: the peers don't keep the instance ready any more.
func (p *probe) see(s verdict.State, now time.Time) (began, passes bool) {
	before := p.state
	p.state = s
	switch {
	case s == verdict.Pass:
		p.due = time.Time{}
		if now.Sub(p.next) > lastGap {
			p.gap = 0
		}
		return false, before == verdict.Fail
	case before == verdict.Fail, before == s:
		return false, false
	case before == "":
		p.due = now.Add(patience)
	default:
		p.due = now
	}
	if p.due.Before(p.next) {
		p.due = p.next
	}
	return true, false
}

// skip takes a state that needs no record, because another probe writes it.
func (p *probe) skip(s verdict.State) { p.state, p.due = s, time.Time{} }

func (p *probe) isDue(now time.Time) bool { return !p.due.IsZero() && !now.Before(p.due) }

func (p *probe) recorded(now time.Time) {
	p.due = time.Time{}
	p.gap = min(max(firstGap, 2*p.gap), lastGap)
	p.next = now.Add(p.gap)
}
