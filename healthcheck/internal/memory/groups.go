package memory

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Groups is the memory of a rule that judges each group by itself. One group's crossing does not last
// because another one takes it over.
type Groups struct {
	wait, keep time.Duration
	all        map[attribute.Distinct]*Hysteresis // of the groups that have crossed something
	rounds     map[attribute.Distinct]Instant     // when each was observed last
}

// NewGroups makes the memory of a rule: wait is its For, keep its KeepFor.
func NewGroups(wait, keep time.Duration) Groups {
	return Groups{wait, keep, map[attribute.Distinct]*Hysteresis{}, map[attribute.Distinct]Instant{}}
}

// Forget resets the memory.
func (g *Groups) Forget() { *g = NewGroups(g.wait, g.keep) }

// Gap notes an instant without evidence.
func (g *Groups) Gap(at Instant) {
	for _, h := range g.all {
		h.Gap(at)
	}
}

// Next returns the state of a group after an observation.
func (g *Groups) Next(group attribute.Set, seen verdict.State, at Instant) verdict.State {
	key := group.Equivalent()
	h := g.all[key]
	if h == nil {
		if seen == verdict.Pass {
			return seen
		}
		one := NewHysteresis(g.wait, g.keep)
		h = &one
		g.all[key] = h
	}
	g.rounds[key] = at
	return h.Next(seen, at)
}

// Rest returns the worst state of the groups that were not observed at an instant. They have no
// series any more, so they cross nothing.
func (g *Groups) Rest(at Instant) verdict.State {
	worst := verdict.Pass
	for key, h := range g.all {
		if g.rounds[key] == at {
			continue
		}
		switch s := h.Next(verdict.Pass, at); {
		case s == verdict.Fail, s == verdict.Warn && worst == verdict.Pass:
			worst = s
		case s == verdict.Pass:
			delete(g.all, key)
			delete(g.rounds, key)
		}
	}
	return worst
}
