// Package suggest finds limits from the past: for each rule the distribution of its value, and the
// lowest limit that keeps a goal such as one warning a week.
//
// In: the collections of instances, by [Rule.Instance] and [Course.Add]. Out: a [Spread] and a [Limit]
// for each [Goal]. It keeps counts for each limit and no values, so its memory does not grow with the time.
// A Course belongs to one goroutine. When it ends, it is added to its Rule. The package knows no clock, no
// effect and no verdict.
package suggest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
)

const week = 7 * 24 * time.Hour

// maxShare is the largest share of the time in which a limit may be crossed. If it is crossed longer, that is
// the usual state and not worth a warning.
const maxShare = .1

// A Rule is a rule whose limits are looked for. Its own bounds say on which side they are.
type Rule struct {
	Query        *query.Rule
	For, KeepFor time.Duration

	grid    grid
	courses []*Course
}

// NewRule makes a rule. boundaries are those of its histogram; nil of a native one, and of other metrics.
func NewRule(q *query.Rule, hold, keep time.Duration, boundaries []float64) *Rule {
	r := &Rule{Query: q, For: hold, KeepFor: keep}
	switch {
	case q.Indicator.Kind == query.KindQuantile && boundaries == nil:
		r.grid = powerGrid()
	case q.Indicator.Kind == query.KindQuantile:
		r.grid = boundaryGrid(boundaries)
	default:
		r.grid = niceGrid(q.Lower())
	}
	return r
}

// A Course has the counts of one instance.
type Course struct {
	Instance string
	rule     *Rule
	sampler  *evidence.Sampler
	counter  *counter
	hours    [24][]int // samples by hour of the day and by the number of limits that they cross
	seen     *query.Rule
	unit     string
}

// Instance begins the course of an instance.
func (r *Rule) Instance(name string) *Course {
	c := &Course{Instance: name, rule: r, counter: newCounter(name, r.grid, r.For, r.KeepFor)}
	for h := range c.hours {
		c.hours[h] = make([]int, len(r.grid.limits)+1)
	}
	c.restart()
	return c
}

func (c *Course) restart() {
	c.sampler = evidence.NewSampler(c.rule.Query, false, func(string) bool { return false })
}

// Add adds a collection. A collection without the metric is ignored, because the metric has other times.
func (c *Course) Add(at time.Time, in evidence.Catalog, restarted bool) {
	if restarted {
		c.counter.end()
		c.restart()
	}
	if !slices.ContainsFunc(c.rule.Query.Indicator.Metrics(), func(name string) bool { return len(in[name]) > 0 }) {
		return
	}
	c.sampler.Sample(at, in)
	read, _ := c.sampler.Reading()
	if read.Problem != "" {
		return
	}
	c.seen, c.unit = read.Rule, read.Unit
	most := -1
	for _, m := range read.Groups {
		if m.Empty {
			continue
		}
		v := m.Value
		if c.rule.grid.equal {
			v = m.Low
		}
		most = max(most, c.rule.grid.crossed(v))
	}
	if most >= 0 {
		c.hours[at.Hour()][most]++
	}
	c.counter.add(at, max(most, 0))
}

// End adds the course to its rule, if it had a sample. Only one goroutine at a time may end one.
func (c *Course) End() {
	if c.counter.last.IsZero() {
		return
	}
	c.counter.end()
	c.rule.courses = append(c.rule.courses, c)
}

// A Spread is the distribution of a rule's value, rounded up to two digits, or down if the limits are lower
// ones. The values of a histogram are rounded up to a bucket boundary, and those over the last one down to it.
type Spread struct {
	Samples                     int
	Median, P90, P99, P999, Max float64
}

// Spreads returns the distribution of all, by hour of the day, and by instance.
func (r *Rule) Spreads() (all Spread, hours [24]Spread, instances map[string]Spread) {
	total := make([]int, len(r.grid.limits)+1)
	instances = map[string]Spread{}
	var byHour [24][]int
	for h := range byHour {
		byHour[h] = make([]int, len(total))
	}
	for _, c := range r.courses {
		own := make([]int, len(total))
		for h, counts := range c.hours {
			for n, k := range counts {
				own[n], total[n], byHour[h][n] = own[n]+k, total[n]+k, byHour[h][n]+k
			}
		}
		instances[c.Instance] = r.spread(own)
	}
	for h := range byHour {
		hours[h] = r.spread(byHour[h])
	}
	return r.spread(total), hours, instances
}

func (r *Rule) spread(counts []int) (s Spread) {
	for _, k := range counts {
		s.Samples += k
	}
	at := func(q float64) float64 {
		rank, sum := int(math.Ceil(q*float64(s.Samples))), 0
		for n, k := range counts {
			if sum += k; sum >= rank && k > 0 {
				return r.grid.limits[min(n, len(r.grid.limits)-1)] // of a histogram, the upper end of its bucket
			}
		}
		return 0
	}
	s.Median, s.P90, s.P99, s.P999, s.Max = at(.5), at(.9), at(.99), at(.999), at(1)
	return s
}

// A Goal is how often a limit may warn.
type Goal struct {
	PerWeek float64 // warnings a week
	Service bool    // of all instances together; otherwise of each instance
}

// A Limit is a limit that keeps a goal.
type Limit struct {
	Value   float64
	OK      bool    // there is a limit
	Why     string  // why there is none
	Counted int     // warnings in this time; one that lasts counts again every four hours
	PerWeek float64 // upper bound of the mean number of warnings a week
	Weeks   float64 // of observation

	// Easier is the next limit that is crossed more easily, and does not keep the goal. A histogram has no
	// boundary between the two.
	Easier        float64
	EasierCounted int

	Episodes []Episode // the warnings that it would have made
}

// An Incident is a time whose warnings are wanted, so no limit has to avoid them.
type Incident struct{ From, To time.Time }

// Suggest finds the tightest limit that keeps the goal with a certainty of 90 %: the lowest upper limit, or the
// highest lower limit. Warnings in incidents don't count.
func (r *Rule) Suggest(g Goal, incidents []Incident) (l Limit) {
	l.Weeks = r.weeks(g.Service, incidents)
	if l.Weeks == 0 {
		l.Why = "there is no sample in this time"
		return l
	}
	if none := Upper(0) / l.Weeks; none > g.PerWeek {
		l.Why = fmt.Sprintf("%s are too short: even without a warning the bound is %s a week; take %s or more", Weeks(l.Weeks), rounded(none), Weeks(Upper(0)/g.PerWeek))
		return l
	}
	for n := len(r.grid.limits) - 1; n >= 0; n-- {
		episodes, many := r.episodes(n, g.Service, incidents)
		counted := count(episodes)
		perWeek := Upper(counted) / l.Weeks
		if many || perWeek > g.PerWeek || lasting(episodes).Hours() > maxShare*l.Weeks*week.Hours() {
			l.Easier, l.EasierCounted = r.grid.limits[n], max(counted, map[bool]int{true: maxEpisodes}[many])
			break
		}
		l.OK, l.Value, l.Counted, l.PerWeek, l.Episodes = true, r.grid.limits[n], counted, perWeek, episodes
	}
	if !l.OK {
		l.Why = fmt.Sprintf("even %s would have warned too often, %d times", format(l.Easier), l.EasierCounted)
	}
	return l
}

// Number converts a limit to that of a rule: a duration in seconds, or a number.
func (r *Rule) Number(v float64) query.Number {
	for _, c := range r.courses {
		if c.seen != nil && len(c.seen.Bounds) > 0 && c.seen.Bounds[0].Duration {
			size := query.Seconds(c.unit)
			if size == 0 {
				size = 1
			}
			return query.Number{Value: math.Round(v*size*1e9) / 1e9, Duration: true}
		}
	}
	return query.Number{Value: v}
}

// covered returns how much of a time the incidents take. They may overlap.
func covered(incidents []Incident, from, to time.Time) (sum time.Duration) {
	all := slices.SortedFunc(slices.Values(incidents), func(a, b Incident) int { return a.From.Compare(b.From) })
	for _, i := range all {
		if i.From.Before(from) {
			i.From = from
		}
		if i.To.After(to) {
			i.To = to
		}
		if i.To.After(i.From) {
			sum, from = sum+i.To.Sub(i.From), i.To
		}
	}
	return sum
}

// weeks returns the time of observation: of the service, or the sum over all instances.
func (r *Rule) weeks(service bool, incidents []Incident) float64 {
	sum, most := time.Duration(0), time.Duration(0)
	var first, last time.Time
	for _, c := range r.courses {
		sum, most = sum+c.counter.observed, max(most, c.counter.observed)
		if first.IsZero() || c.counter.first.Before(first) {
			first = c.counter.first
		}
		if c.counter.last.After(last) {
			last = c.counter.last
		}
	}
	out := covered(incidents, first, last)
	if service {
		return max(0, (most-out).Hours()/week.Hours())
	}
	return max(0, (sum-out*time.Duration(len(r.courses))).Hours()/week.Hours())
}

// episodes are the warnings of a limit.
func (r *Rule) episodes(n int, service bool, incidents []Incident) (all []Episode, many bool) {
	for _, c := range r.courses {
		all, many = append(all, c.counter.all[n].episodes...), many || c.counter.all[n].many
	}
	if service {
		all = joined(all, r.KeepFor)
	}
	return slices.DeleteFunc(all, func(e Episode) bool {
		return slices.ContainsFunc(incidents, func(i Incident) bool { return e.Within(i.From, i.To) })
	}), many
}

// Incidents returns the worst times, at most n, so that people can say which of them were real faults. They are
// the warnings of the service at the limits that are crossed least often.
func (r *Rule) Incidents(n int) (worst []Episode) {
	for k := len(r.grid.limits) - 1; k >= 0; k-- {
		all, many := r.episodes(k, true, nil)
		if many || len(all) > n || lasting(all).Hours() > maxShare*r.weeks(true, nil)*week.Hours() {
			break
		}
		worst = all
	}
	return worst
}

// Weeks writes a number of weeks for people.
func Weeks(n float64) string {
	switch {
	case n < 1./(24*7):
		return fmt.Sprintf("%.0f minutes", 60*24*7*n)
	case n < 2./7:
		return fmt.Sprintf("%.3g hours", 24*7*n)
	case n < 2:
		return fmt.Sprintf("%.3g days", 7*n)
	}
	return fmt.Sprintf("%.1f weeks", n)
}

// rounded writes a number with three digits, or with all digits before the point.
func rounded(n float64) string {
	if n >= 100 {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.3g", n)
}

func format(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.4g", v), ".0") }
