package replay

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// corners has two rules: one judges the best case, and one the worst. With worse evidence, the memory of a rule
// is never better. So the true state is between those of the two.
type corners struct {
	began       time.Time
	best, worst corner
}

type corner struct {
	held *evidence.Sampler
	rule *judge.Rule
}

// slack is by how much a tick of a real Monitor may be early or late.
const slack = 100 * time.Millisecond

func (i *Instance) newCorners(r *Rule, long bool) *corners {
	keep := r.KeepFor
	if long {
		keep = 0 // KeepFor is the ejection time
	}
	corner := func(by time.Duration, created judge.Created) (c corner) {
		c.held = &evidence.Sampler{Long: long}
		c.rule = judge.NewRule(r.Query, shift(r.For, by), shift(keep, -by), c.held, created, time.Time{}, 0)
		return c
	}
	return &corners{
		best: corner(slack, func(string) judge.Creation { return judge.Recorded }),
		worst: corner(-slack, func(metric string) judge.Creation {
			if i.known(metric) {
				return judge.Observed
			}
			return judge.NotCreated
		}),
	}
}

func shift(d, by time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return max(0, d+by)
}

// at gives both rules their readings.
func (c *corners) at(now time.Time, best, worst *evidence.Reading) memory.Instant {
	if c.began.IsZero() {
		c.began = now
	}
	c.best.held.Set(best)
	c.worst.held.Set(worst)
	return memory.Instant{Now: now, Resumed: c.began}
}

// calm reports whether good evidence changes nothing.
func (c *corners) calm() bool { return c.best.rule.Calm() && c.worst.rule.Calm() }

// plain is the court of a rule that ejects nothing.
type plain struct {
	sampler *evidence.Sampler
	*corners
	forgets bool // the rule has neither For nor KeepFor
	unknown bool // its value is unknown between two collections
}

func newPlain(r *Rule, s *evidence.Sampler, c *corners) *plain {
	in := &r.Query.Indicator
	return &plain{s, c, r.For == 0 && r.KeepFor == 0, !in.Windowed() && !in.Kind.OfTime()}
}

var always [2]time.Time // the windows began long ago

func (p *plain) quiet(from, to time.Time) bool {
	if !p.calm() {
		return false
	}
	best, worst := p.sampler.Between(from, to, always)
	return same(best, worst) && clean(best)
}

func (p *plain) shortcut(first, last time.Time) (from time.Time, ends func(time.Time) Range) {
	if p.forgets {
		return last.Add(-p.sampler.Apart.Tick), nil // what the next collection may export
	}
	best, worst := p.sampler.Between(first, last, always)
	if p.unknown || same(best, worst) {
		return time.Time{}, func(at time.Time) Range {
			b, w := *best, *worst
			b.At, w.At = at, at
			return p.of(at, &b, &w)
		}
	}
	return time.Time{}, nil
}

func (p *plain) judge(at time.Time) Range {
	best, worst := p.sampler.Between(at, at, always)
	return p.of(at, best, worst)
}

func (p *plain) blind(from, to time.Time) {
	for _, at := range [...]time.Time{from, to} {
		best, worst := p.sampler.Blind(at)
		p.of(at, best, worst)
	}
}

func (p *plain) of(at time.Time, best, worst *evidence.Reading) Range {
	now := p.at(at, best, worst)
	return hull(p.best.rule.Evaluate(now).State, p.worst.rule.Evaluate(now).State)
}

// hull returns the range of two states. A rule is unknown if its evidence can't be read, unless a group fails.
// So one of the cases can be unknown while the other one has a state. Then the true state may be better than
// both.
func hull(best, worst verdict.State) Range {
	r := exactly(best).with(exactly(worst))
	if !r.Certain() && (best == verdict.Unknown || worst == verdict.Unknown) {
		r.Low = verdict.Pass
	}
	return r
}
