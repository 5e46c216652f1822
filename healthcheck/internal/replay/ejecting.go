package replay

import (
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// ejecting is the court of a rule that takes its instance out by an ejection. For the begin of an ejection only
// the earliest and the latest time are known, and so for its end. After a first ejection the result is only a
// bound, because the requests of an ejected instance would have gone to the others.
type ejecting struct {
	sampler   *evidence.Sampler
	in, back  *corners // while the instance is in, and on probation
	ejections *memory.Ejections
	window    time.Duration
}

func (i *Instance) newEjecting(r *Rule, s *evidence.Sampler) *ejecting {
	jitter := [2]float64{0, 1}
	if i.config.Jitter != nil {
		jitter[0], jitter[1] = i.config.Jitter(r.Name)
	}
	return &ejecting{
		sampler: s, in: i.newCorners(r, true), back: i.newCorners(r, true), window: r.Query.Indicator.Window,
		ejections: memory.NewEjections(r.KeepFor, r.Query.Indicator.Window, i.config.Tick+slack, jitter),
	}
}

func (e *ejecting) quiet(from, to time.Time) bool {
	_, since := e.ejections.In()
	if !e.ejections.Calm() || !e.in.calm() {
		return false
	}
	best, worst := e.sampler.Between(from, to, since)
	if !same(best, worst) || !clean(best) {
		return false
	}
	e.ejections.Next(sight(best, worst, verdict.Pass, verdict.Pass, false, false), memory.Sight{}, to)
	return true
}

func (e *ejecting) shortcut(time.Time, time.Time) (time.Time, func(time.Time) Range) {
	return time.Time{}, nil
}

func (e *ejecting) judge(at time.Time) Range {
	var in, back memory.Sight
	_, since := e.ejections.In()
	in = e.look(e.in, at, since)
	may, since := e.ejections.Back()
	if may {
		back = e.look(e.back, at, since)
	}
	low, high := e.ejections.Next(in, back, at)
	if now, since := e.ejections.Back(); now && since[1].Equal(at) { // the probation may begin now, with forgotten evidence
		e.back.best.rule.Forget()
		if !may {
			e.back.worst.rule.Forget()
		}
	}
	return Range{low, high}
}

// look returns what the rule may observe.
func (e *ejecting) look(c *corners, at time.Time, since [2]time.Time) memory.Sight {
	best, worst := e.sampler.Between(at, at, since)
	return e.sees(c, at, best, worst)
}

func (e *ejecting) sees(c *corners, at time.Time, best, worst *evidence.Reading) memory.Sight {
	now := c.at(at, best, worst)
	low, lowGoesOn := c.best.rule.Observe(now)
	high, highGoesOn := c.worst.rule.Observe(now)
	return sight(best, worst, low.State, high.State, lowGoesOn, highGoesOn)
}

func sight(best, worst *evidence.Reading, low, high verdict.State, lowGoesOn, highGoesOn bool) (s memory.Sight) {
	if len(worst.Groups) > 1 { // the worst group of the Monitor is unknown
		lowGoesOn, highGoesOn = false, slices.ContainsFunc(worst.Groups, func(m evidence.Measure) bool { return m.Ongoing })
	}
	s[0].State, s[0].Failing, s[0].Ongoing, s[0].Traffic = low, low == verdict.Fail, lowGoesOn, best.Traffic
	s[1].State, s[1].Failing, s[1].Ongoing, s[1].Traffic = high, high == verdict.Fail, highGoesOn, worst.Traffic
	if worst.Problem == "" {
		return s
	}
	// If a Monitor could read the metric before, it warns now. It ejects the instance only if a group fails.
	s[0].State, s[0].Failing, s[1].State, s[1].Failing = verdict.Warn, false, verdict.Unknown, true
	if slices.ContainsFunc(worst.Groups, func(m evidence.Measure) bool { return m.Crossed != nil && m.Crossed.Fails() }) {
		s[0].State = verdict.Pass
	} else {
		s[1].Traffic.Known = false
	}
	return s
}

func (e *ejecting) blind(from, to time.Time) {
	for _, at := range [...]time.Time{from, to} {
		best, worst := e.sampler.Blind(at)
		e.sees(e.in, at, best, worst)
		e.sees(e.back, at, best, worst)
	}
	e.ejections.Blind(to)
}
