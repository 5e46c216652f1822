package evidence

import (
	"cmp"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

// Between returns what a Monitor may have read between two times: its reading was not better than best and
// not worse than worst. The times are after the last but one recorded collection, and not after the last
// one. For the last one itself, pass its time twice. since is the earliest and the latest time at which
// the Monitor has forgotten everything; zero if it has not.
func (s *Sampler) Between(from, to time.Time, since [2]time.Time) (best, worst *Reading) {
	since = s.since(since)
	last, prev := s.reading.Load(), s.apart.prev
	exact := from.Equal(last.At)
	b, w := *last, *last
	b.At, w.At = to, to
	best, worst = &b, &w
	best.Groups, worst.Groups = nil, nil
	if !exact {
		best.Problem = ""
		if last.Problem != "" || prev != nil && prev.Problem != "" || s.apart.changed { // any state is possible
			worst.Problem = ""
			worst.Groups, worst.Traffic.Known = s.anything(), true
			return best, worst
		}
	}
	switch {
	case s.rule.Indicator.Windowed():
		s.windowsBetween(best, worst, span{from, to, since})
	case exact:
		best.Groups, worst.Groups = last.Groups, last.Groups
		s.doubtLevels(best, worst, s.apart.levels.now)
	default:
		s.valuesBetween(best, worst, from, to)
	}
	s.unmatchedBetween(best, worst, span{from, to, since})
	return best, worst
}

// span is a time in which a Monitor has collected once.
type span struct {
	from, to time.Time
	since    [2]time.Time
}

// windowsBetween compares the growth of each group with the rule.
func (s *Sampler) windowsBetween(best, worst *Reading, at span) {
	e := s.apart.entry
	if e == nil {
		return // the last collection can't be read; its reading has the problem
	}
	for _, w := range e.windows {
		if len(w.slots) == 0 || !w.based || w.broken && !at.from.Before(e.at) {
			continue
		}
		low, high := s.growthBetween(e, w, at)
		best.Groups, worst.Groups = append(best.Groups, low), append(worst.Groups, high)
		if s.Long {
			s.trafficBetween(e, w, at, &best.Traffic, &worst.Traffic)
		}
	}
	if s.Long {
		s.knownBetween(at, &best.Traffic, &worst.Traffic)
	}
	if !slices.ContainsFunc(e.sides, func(sd *side) bool { return len(sd.overflow.slots) > 0 }) {
		return
	}
	none := &window{}
	if len(s.rule.Indicator.GroupBy) > 0 {
		none.attrs = overflowGroup
	} else if len(worst.Groups) > 0 {
		return
	}
	low, high := s.growthBetween(e, none, at)
	if high.Crossed != nil {
		low.Empty = true
		best.Groups, worst.Groups = append(best.Groups, low), append(worst.Groups, high)
	}
}

// growthBetween compares the growth of a group with the rule, in the best case and in the worst.
func (s *Sampler) growthBetween(e *entry, w *window, at span) (best, worst Measure) {
	in := &s.rule.Indicator
	best, worst = s.measureBetween(e, w, at, in.Window)
	if s.Long {
		longBest, longWorst := s.measureBetween(e, w, at, longWindows*in.Window)
		nowBest, nowWorst := s.measureBetween(e, w, at, in.Window/3)
		best.confirm(longBest, nowBest)
		worst.confirm(longWorst, nowWorst)
		worst.Ongoing = worst.Ongoing || worst.Crossed != nil && nowWorst.Bad > 0
	}
	return best, worst
}

// confirm sets Lasting and Ongoing of a measure that crosses a limit.
func (m *Measure) confirm(longer, now Measure) {
	if m.Crossed == nil {
		return
	}
	same := func(o Measure) bool { return o.Crossed != nil && o.Crossed.Edge == m.Crossed.Edge }
	m.Lasting = same(longer)
	m.Ongoing = same(now) || now.Empty && (m.Crossed.Lower() || now.Bad > 0)
}

// measureBetween compares the growth over a span.
func (s *Sampler) measureBetween(e *entry, w *window, at span, over time.Duration) (best, worst Measure) {
	r, in := s.effective(), &s.rule.Indicator
	size := len(e.sides)
	if in.Kind != query.KindIncrease && in.Kind != query.KindRatio {
		size = len(e.bounds) + 1
	}
	g := w.between(e, at, over, size)
	extra := e.foldedBetween(at, over, size)
	for n := range extra {
		extra[n] += g.high[n] - g.low[n]
	}
	best = compare(r, g.low, extra, e.bounds)
	worst = best
	if d := best.Doubt; d != nil {
		worst.Crossed, worst.Empty = d.Bound, false
	}
	worst.Bad = compare(r, g.high, nothing, e.bounds).Bad
	if g.open {
		worst.Crossed, worst.Empty, worst.Bad = worstBound(r), false, math.Inf(1)
		if in.Kind != query.KindIncrease || r.Lower() {
			best.Crossed = nil // what is not known can be any number of good events
		}
	}
	best.Doubt, worst.Doubt = nil, nil
	best.Group, worst.Group = w.attrs, w.attrs
	if r.Lower() && in.Kind == query.KindIncrease {
		if g.young || !w.is || at.from.Before(e.at) && !w.was {
			best.Crossed, best.Empty = nil, true
		}
		if g.never {
			worst.Crossed, worst.Empty = nil, true
		}
	}
	return best, worst
}

// boundless is more than any count, and sums of it stay finite.
const boundless = 1e300

// overflowGroup is the group for all groups without events of their own.
var overflowGroup = attribute.NewSet(overflowKey.Bool(true))

// valuesBetween compares the possible present values between two collections. A timestamp is between the
// two recorded ones. Any other value is unknown.
func (s *Sampler) valuesBetween(best, worst *Reading, from, to time.Time) {
	in := &s.rule.Indicator
	last, prev := s.reading.Load(), s.apart.prev
	var before []Measure
	if prev != nil {
		before = prev.Groups
	}
	for _, m := range last.Groups {
		n := slices.IndexFunc(before, func(o Measure) bool { return o.Group.Equals(&m.Group) })
		b, w := m, m
		b.Crossed, w.Crossed, w.Empty = nil, worstBound(s.effective()), false
		if n >= 0 && in.Kind.OfTime() {
			value := between(in.Kind, before[n].Value, prev.At, m.Value, last.At, from, to)
			b.Crossed, w.Crossed = value.crossings(s.effective())
		}
		best.Groups, worst.Groups = append(best.Groups, b), append(worst.Groups, w)
	}
	for _, m := range before {
		if !has(last.Groups, &m.Group) {
			m.Crossed, m.Empty = worstBound(s.effective()), false
			worst.Groups = append(worst.Groups, m)
		}
	}
	s.doubtLevels(best, worst, s.apart.levels.now)
	s.doubtLevels(best, worst, s.apart.levels.before)
}

func has(groups []Measure, group *attribute.Set) bool {
	return slices.ContainsFunc(groups, func(m Measure) bool { return m.Group.Equals(group) })
}

// between returns the age of a timestamp, or the time until it, at a time of a span, from two values.
func between(k query.Kind, a float64, atA time.Time, b float64, atB, from, to time.Time) interval {
	var all []float64
	for _, t := range [...]time.Time{from, to} {
		for _, v := range [...]struct {
			v  float64
			at time.Time
		}{{a, atA}, {b, atB}} {
			passed := t.Sub(v.at).Seconds()
			if k == query.KindTimeUntil {
				passed = -passed
			}
			all = append(all, v.v+passed)
		}
	}
	return interval{slices.Min(all), slices.Max(all)}
}

// unmatchedBetween sets Unmatched: in best if the filter certainly matches nothing, in worst if it may.
func (s *Sampler) unmatchedBetween(best, worst *Reading, at span) {
	last, prev := s.reading.Load(), s.apart.prev
	best.Unmatched, worst.Unmatched = nil, nil
	if last.Hidden != "" && !at.from.Equal(last.At) {
		best.Hidden = ""
	}
	var before *Unmatched
	if prev != nil {
		before = prev.Unmatched
	}
	u := cmp.Or(last.Unmatched, before)
	if u == nil {
		return
	}
	may := *u
	may.Lasting = u.Lasting || prev != nil && last.At.Sub(s.unmatched)+last.At.Sub(prev.At) >= s.rule.Indicator.Window
	worst.Unmatched = &may
	if last.Unmatched == nil || before == nil || !last.Unmatched.Lasting || !before.Lasting || s.apart.entry == nil {
		return
	}
	for _, w := range s.apart.entry.windows {
		if w.away {
			return
		}
	}
	for _, sd := range s.apart.entry.sides {
		least := max(1, s.rule.Indicator.MinEvents)
		if w := &sd.missed; sd.matched || len(w.slots) > 0 && w.between(s.apart.entry, at, s.rule.Indicator.Window, len(w.amount)).low[0] >= least {
			best.Unmatched = last.Unmatched // a Monitor can't have seen a match either
		}
	}
}

// Blind returns the best and the worst reading of a time without data.
func (s *Sampler) Blind(at time.Time) (best, worst *Reading) {
	r := s.effective()
	best = &Reading{At: at, Rule: r}
	worst = &Reading{At: at, Rule: r, Groups: s.anything(), Traffic: Traffic{Known: true}}
	return best, worst
}

// anything returns the worst groups that a reading can have. Each known group crosses a limit, so that its
// crossing goes on. The group without attributes does too: it stands for groups that nobody has seen.
func (s *Sampler) anything() (all []Measure) {
	add := func(group attribute.Set) {
		if !has(all, &group) {
			all = append(all, Measure{Group: group, Crossed: worstBound(s.effective()), Bad: math.Inf(1), Lasting: true, Ongoing: true})
		}
	}
	add(attribute.Set{})
	for _, w := range s.ledger.windows {
		add(w.attrs)
	}
	for _, l := range s.apart.levels.series {
		add(l.group)
	}
	return all
}

// trafficBetween adds the least and the most traffic that a group may have had to least and to most.
func (s *Sampler) trafficBetween(e *entry, w *window, at span, least, most *Traffic) {
	in := &s.rule.Indicator
	if in.Kind == query.KindIncrease {
		return
	}
	events := func(over time.Duration) (low, high float64) {
		g := w.between(e, at, over, len(w.amount))
		low, high = total(g.low), total(g.high)
		if in.Kind == query.KindRatio {
			low, high = g.low[1], g.high[1]
		}
		if g.open {
			high = boundless
		}
		low *= over.Seconds() / (over + e.apart.width(e.span)).Seconds() // the base of the window may be older
		return low, high
	}
	low, high := events(in.Window)
	least.Rate += low / in.Window.Seconds()
	most.Rate += high / in.Window.Seconds()
	low, high = events(in.Window / 3)
	least.Recent += low
	most.Recent += high
}

// knownBetween says whether the windows are full.
func (s *Sampler) knownBetween(at span, least, most *Traffic) {
	in := &s.rule.Indicator
	least.Span, most.Span = in.Window/3, in.Window/3
	first := s.first
	if at.since[1].After(first) {
		first = at.since[1].Add(s.Apart.Tick)
	}
	least.Known = at.from.Sub(first) >= in.Window || in.Kind == query.KindIncrease
	most.Known = at.since[0].IsZero() || at.to.Sub(at.since[0]) >= in.Window || in.Kind == query.KindIncrease
}
