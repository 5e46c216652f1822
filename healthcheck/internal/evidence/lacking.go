package evidence

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
)

// lacking notes which series of present values are missing in a recorded collection. The Monitor may have
// read them, so the values of their groups are unknown.
type lacking struct {
	series map[levelKey]*levelSeries
	now    []attribute.Set // groups with a series that is missing in the last collection
	before []attribute.Set // the same of the collection before
}

type levelKey struct {
	metric string
	scope  instrumentation.Scope
	series attribute.Distinct
}

type levelSeries struct {
	group  attribute.Set
	seen   time.Time
	lacked time.Time // the first collection since then
}

// note notes the series of a collection. A series has ended if it is missing for longer than Prometheus looks
// back.
func (l *lacking) note(sides []*side, at time.Time, c Catalog, gap bool) {
	if l.series == nil {
		l.series = map[levelKey]*levelSeries{}
	}
	l.before, l.now = l.now, nil
	for _, sd := range sides {
		read, _, err := metrics(&sd.in, c)
		if err != nil {
			continue
		}
		for _, m := range read {
			each(m.Data, func(p *series) {
				if !keeps(&sd.in, p.Attrs) {
					return
				}
				key := levelKey{sd.in.Metric, m.Scope, p.Attrs.Equivalent()}
				one := l.series[key]
				if one == nil {
					one = &levelSeries{group: groupOf(&sd.in, p.Attrs)}
					l.series[key] = one
				}
				one.seen = at
			})
		}
	}
	for key, one := range l.series {
		if one.seen.Equal(at) {
			continue
		}
		if gap || !one.lacked.After(one.seen) {
			one.lacked = at
		}
		if at.Sub(one.lacked) > lookback {
			delete(l.series, key)
		} else if !slices.ContainsFunc(l.now, func(g attribute.Set) bool { return g.Equals(&one.group) }) {
			l.now = append(l.now, one.group)
		}
	}
}

// doubtLevels makes any state possible for some groups.
func (s *Sampler) doubtLevels(best, worst *Reading, groups []attribute.Set) {
	if len(groups) == 0 {
		return
	}
	best.Groups, worst.Groups = slices.Clone(best.Groups), slices.Clone(worst.Groups)
	for _, g := range groups {
		for n := range best.Groups {
			if best.Groups[n].Group.Equals(&g) {
				best.Groups[n].Crossed = nil
			}
		}
		if !has(worst.Groups, &g) {
			worst.Groups = append(worst.Groups, Measure{Group: g})
		}
		for n := range worst.Groups {
			if worst.Groups[n].Group.Equals(&g) {
				worst.Groups[n].Crossed, worst.Groups[n].Empty = worstBound(s.effective()), false
			}
		}
	}
}
