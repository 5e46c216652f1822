package suggest

import (
	"slices"
	"time"
)

// An Episode is a warning: from the first crossing until the last one.
type Episode struct {
	From, To time.Time
	Instance string
}

// margin is how long before and after its given time a fault may cause warnings.
const margin = 15 * time.Minute

// Within reports whether an episode belongs to an incident. If it began long before, the limit is crossed
// without the fault too.
func (e Episode) Within(from, to time.Time) bool {
	return !e.From.Before(from.Add(-margin)) && !e.To.After(to.Add(margin))
}

// maxEpisodes is how many warnings of a limit are kept. A limit with more warnings is useless.
const maxEpisodes = 2000

// A candidate is a limit and its warnings in one instance.
type candidate struct {
	since    time.Time // when the last crossing ended
	from     time.Time // when this one began
	episodes []Episode
	many     bool
	firing   bool // the last episode goes on if it is crossed again within KeepFor
}

// A counter counts the warnings that each limit of a grid would have made in one instance. Between two
// samples it touches only the limits between the two values.
type counter struct {
	instance   string
	grid       grid
	hold, keep time.Duration // For and KeepFor
	all        []candidate
	crossed    int // number of limits that the last value crosses: all before this index
	first      time.Time
	last       time.Time
	observed   time.Duration
}

// stale is how long a value counts if no other one follows.
const stale = 5 * time.Minute

func newCounter(instance string, g grid, hold, keep time.Duration) *counter {
	return &counter{instance: instance, grid: g, hold: hold, keep: keep, all: make([]candidate, len(g.limits))}
}

// add adds the number of limits that the value at a time crosses.
func (c *counter) add(at time.Time, crossed int) {
	if c.first.IsZero() {
		c.first = at
	}
	if !c.last.IsZero() {
		if gap := at.Sub(c.last); gap > stale {
			c.move(c.last, 0)
		} else {
			c.observed += gap
		}
	}
	c.move(at, crossed)
	c.last = at
}

// move begins or ends the crossing of the limits between the last number and this one.
func (c *counter) move(at time.Time, crossed int) {
	for n := c.crossed; n < crossed; n++ {
		c.all[n].begin(at, c.keep)
	}
	for n := crossed; n < c.crossed; n++ {
		c.all[n].end(c.last, c.hold, c.instance)
	}
	c.crossed = crossed
}

// end ends the crossings of all limits.
func (c *counter) end() { c.move(c.last, 0) }

func (c *candidate) begin(at time.Time, keep time.Duration) {
	c.firing = c.firing && at.Sub(c.since) <= keep
	c.from = at
}

// end ends a crossing whose last sample was at a time.
func (c *candidate) end(last time.Time, hold time.Duration, instance string) {
	c.since = last
	switch {
	case c.firing:
		if n := len(c.episodes); n > 0 {
			c.episodes[n-1].To = last
		}
	case last.Sub(c.from) < hold:
	case len(c.episodes) == maxEpisodes:
		c.many, c.episodes = true, nil
	case !c.many:
		c.firing, c.episodes = true, append(c.episodes, Episode{c.from, last, instance})
	}
}

// repeat is the interval at which Alertmanager sends a lasting warning again. Each of these counts. Otherwise a
// limit that is always crossed would have only one warning.
const repeat = 4 * time.Hour

// count returns the number of warnings, including repeated ones.
func count(all []Episode) (n int) {
	for _, e := range all {
		n += 1 + int(e.To.Sub(e.From)/repeat)
	}
	return n
}

// lasting returns the total duration of episodes.
func lasting(all []Episode) (sum time.Duration) {
	for _, e := range all {
		sum += e.To.Sub(e.From)
	}
	return sum
}

// joined merges episodes of several instances that overlap, or that follow each other within a time, into
// warnings of the service.
func joined(all []Episode, within time.Duration) (out []Episode) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Episode) int { return a.From.Compare(b.From) })
	for _, e := range all {
		if n := len(out); n > 0 && !e.From.After(out[n-1].To.Add(within)) {
			if e.To.After(out[n-1].To) {
				out[n-1].To = e.To
			}
			continue
		}
		e.Instance = ""
		out = append(out, e)
	}
	return out
}
