package blackbox

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

const (
	// Times between two records of a probe. Each is twice the one before, so a service that flaps writes
	// few. A failure that lasts gets its record when the time is over.
	firstGap = time.Minute
	lastGap  = time.Hour

	// patience is the age of a failure that there was from the start. An instance that waits for a
	// dependency has lost nothing, but people will ask why it is not ready.
	patience = 5 * time.Minute
)

// probe is what was seen of a probe, while it was not failing on purpose.
type probe struct {
	state verdict.State // as in readinessOf; empty before the first verdict
	due   time.Time     // of the record of this failure; zero if there is none to write
	next  time.Time     // no record before it
	gap   time.Duration
}

// readinessOf is readiness as a record tells it: Fail, Warn if it would fail without the votes of peers,
// or Pass.
func readinessOf(v *verdict.Verdict) verdict.Result {
	r := v.Readiness
	if r.State == verdict.Fail {
		return r
	}
	r.State = verdict.Pass
	for n := range v.Results {
		c := &v.Results[n]
		if failing(c) && c.OnFail == healthcheck.NotReady { // only peers can keep it in then
			return verdict.Result{Name: r.Name, State: verdict.Warn, Since: c.Since, Reason: c.Name + ": " + c.Reason}
		}
	}
	return r
}

// see takes a state. began and passes report that a failure begins and ends. A failure begins again
// if peers do not keep the instance in any more.
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

// skip takes a state whose record another probe writes.
func (p *probe) skip(s verdict.State) { p.state, p.due = s, time.Time{} }

func (p *probe) isDue(now time.Time) bool { return !p.due.IsZero() && !now.Before(p.due) }

func (p *probe) recorded(now time.Time) {
	p.due = time.Time{}
	p.gap = min(max(firstGap, 2*p.gap), lastGap)
	p.next = now.Add(p.gap)
}
