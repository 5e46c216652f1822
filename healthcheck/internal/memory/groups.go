package memory

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Groups is the memory of a rule that judges each group by itself. If one group stops crossing a limit when
// another one begins, that is not one long crossing.
type Groups struct {
	wait, keep time.Duration
	all        map[attribute.Distinct]*group // have crossed something
}

type group struct {
	Hysteresis
	observed bool // since the last Rest
}

// NewGroups makes the memory of a rule: wait is its For, keep its KeepFor.
func NewGroups(wait, keep time.Duration) Groups {
	return Groups{wait, keep, map[attribute.Distinct]*group{}}
}

// Calm reports whether all groups pass, and none has begun to cross anything.
func (g *Groups) Calm() bool {
	for _, one := range g.all {
		if one.Hysteresis != (Hysteresis{wait: one.wait, keep: one.keep}) {
			return false
		}
	}
	return true
}

// Forget resets the memory.
func (g *Groups) Forget() { clear(g.all) }

// Gap notes an instant without evidence.
func (g *Groups) Gap(at Instant) {
	for _, one := range g.all {
		one.Gap(at)
	}
}

// Next returns the state of a group after an observation.
func (g *Groups) Next(set attribute.Set, seen verdict.State, at Instant) verdict.State {
	if seen == verdict.Pass && len(g.all) == 0 {
		return seen // without the cost of a map
	}
	key := set.Equivalent()
	one := g.all[key]
	if one == nil {
		if seen == verdict.Pass {
			return seen
		}
		one = &group{Hysteresis: NewHysteresis(g.wait, g.keep)}
		g.all[key] = one
	}
	one.observed = true
	return one.Next(seen, at)
}

// Rest returns the worst state of the groups that were not observed since the last call. They have no
// series any more, so they cross nothing.
func (g *Groups) Rest(at Instant) verdict.State {
	worst := verdict.Pass
	for key, one := range g.all {
		if one.observed {
			one.observed = false
			continue
		}
		switch s := one.Next(verdict.Pass, at); {
		case s == verdict.Fail, s == verdict.Warn && worst == verdict.Pass:
			worst = s
		case s == verdict.Pass:
			delete(g.all, key)
		}
	}
	return worst
}
