package suggest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

var begin = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

func queryOf(r rule.Rule) *query.Rule {
	return &query.Rule{Indicator: query.Indicator(r.Value).With(r.Window, r.MinEvents, r.Per), Bounds: query.Bounds(query.Limit(r.Fail), query.Limit(r.Warn))}
}

func gauge(v float64) evidence.Catalog {
	return evidence.Catalog{"queue": {{Name: "queue", Data: metricdata.Sum[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.DataPoint[float64]{{Value: v}}}}}}
}

func TestUpper(t *testing.T) {
	for n, want := range map[int]float64{0: 2.303, 1: 3.890, 2: 5.322, 5: 9.275, 10: 15.407, 100: 114.1} {
		if got := Upper(n); math.Abs(got-want) > .001*want {
			t.Errorf("Upper(%d) = %v, want %v", n, got, want)
		}
	}
}

func TestGrid(t *testing.T) {
	for _, c := range []struct {
		name string
		grid grid
		v    float64
		want float64 // the last limit that it crosses
	}{
		{"nice", niceGrid(false), .4249, .42},
		{"nice, equal", niceGrid(false), .42, .41},
		{"nice, large", niceGrid(false), 123456, 120000},
		{"nice, zero", niceGrid(false), 0, math.NaN()},
		{"nice, lower", niceGrid(true), .4249, .43},
		{"nice, lower, equal", niceGrid(true), .43, .44},
		{"boundaries", boundaryGrid([]float64{.25, .5, 1}), .5, .5},
		{"boundaries, below all", boundaryGrid([]float64{.25, .5, 1}), 0, math.NaN()},
		{"powers", powerGrid(), .3, .25},
	} {
		n := c.grid.crossed(c.v)
		got := math.NaN()
		if n > 0 {
			got = c.grid.limits[n-1]
		}
		if got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%s: %v crosses up to %v, want %v", c.name, c.v, got, c.want)
		}
	}
	for n, l := range niceGrid(false).limits { // people can write each of them
		if text := fmt.Sprintf("%.2g", l); n > 0 && fmt.Sprint(l) != fmt.Sprint(parse(text)) {
			t.Fatalf("%v is no number of two digits", l)
		}
	}
}

func parse(text string) (v float64) {
	_, _ = fmt.Sscan(text, &v)
	return v
}

// slow counts the warnings of one limit in the simple way.
func slow(values []float64, limit float64, step, hold, keep time.Duration) (n int) {
	firing, over, since, from := false, false, time.Duration(0), time.Duration(0)
	for i, v := range append(slices.Clone(values), -1) {
		at := time.Duration(i) * step
		switch crossed := v > limit; {
		case crossed && !over:
			if firing && at-since > keep {
				firing = false
			}
			from = at
			over = true
		case !crossed && over:
			since, over = at-step, false
			if !firing && since-from >= hold {
				firing = true
				n++
			}
		}
	}
	return n
}

// TestEpisodes compares the counts of all limits with the simple way, over random values.
func TestEpisodes(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		step := 15 * time.Second
		hold, keep := time.Duration(r.IntN(4))*step, time.Duration(r.IntN(6))*step
		values, v := make([]float64, 300), 5.0
		for n := range values {
			v = max(0, v+r.NormFloat64())
			values[n] = v
		}
		c := newCounter("a", niceGrid(false), hold, keep)
		for n, v := range values {
			c.add(begin.Add(time.Duration(n)*step), c.grid.crossed(v))
		}
		c.end()
		for n, limit := range c.grid.limits {
			if got, want := len(c.all[n].episodes), slow(values, limit, step, hold, keep); got != want {
				t.Fatalf("seed %d, limit %v for %v keep %v: %d warnings, want %d", seed, limit, hold, keep, got, want)
			}
		}
	}
}

// bursts is a week of one instance with bursts of some minutes. A week has on average 20/h² bursts that are higher than
// h.
func bursts(r *rand.Rand, c *Course, from time.Time) {
	type burst struct {
		from, to time.Time
		height   float64
	}
	var all []burst
	for at := from; ; {
		at = at.Add(time.Duration(r.ExpFloat64() * float64(week) / 20))
		if at.After(from.Add(week)) {
			break
		}
		all = append(all, burst{at, at.Add(time.Minute + time.Duration(r.Int64N(int64(4*time.Minute)))), 1 / math.Sqrt(1-r.Float64())})
	}
	for at := from; at.Before(from.Add(week)); at = at.Add(time.Minute) {
		v := .5
		for _, b := range all {
			if !at.Before(b.from) && at.Before(b.to) {
				v = max(v, b.height)
			}
		}
		c.counter.add(at, c.rule.grid.crossed(v))
	}
	c.End()
}

// TestPromise leaves out one week of one instance, suggests a limit from the other weeks, and counts the warnings in
// the week that was left out. A goal of one warning a week is kept in at least 17 of 20 weeks. A limit that is chosen
// only by its past count keeps it in fewer.
func TestPromise(t *testing.T) {
	const instances, weeks, seeds = 5, 4, 10
	kept, naive, trials, sound := 0, 0, 0, 0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 3))
		q := queryOf(rule.Rule{Value: rule.Last("queue"), Warn: rule.Above(1)})
		var all [instances][weeks]*Course
		for i := range all {
			for w := range all[i] {
				one := NewRule(q, 0, 0, nil)
				all[i][w] = one.Instance(fmt.Sprint(i))
				bursts(r, all[i][w], begin.Add(time.Duration(w)*week))
			}
		}
		for i := range all {
			for w := range all[i] {
				train := NewRule(q, 0, 0, nil)
				for j := range all {
					for k := range all[j] {
						if k != w {
							train.courses = append(train.courses, all[j][k])
						}
					}
				}
				warnings := func(limit float64) int {
					return len(all[i][w].counter.all[slices.Index(train.grid.limits, limit)].episodes)
				}
				l := train.Suggest(Goal{PerWeek: 1}, nil)
				if !l.OK || l.PerWeek > 1 || l.Counted < 1 || l.Easier >= l.Value {
					t.Fatalf("suggested %+v", l)
				}
				trials++
				if warnings(l.Value) <= 1 {
					kept++
				}
				if 20/(l.Value*l.Value) <= 1 { // the true mean number of warnings a week
					sound++
				}
				if l.Value > 9 {
					t.Errorf("%v is far too careful: 4.5 has one a week", l.Value)
				}
				for n := len(train.grid.limits) - 1; n >= 0; n-- { // the limit that is chosen by its count
					e, _ := train.episodes(n-1, false, nil)
					if float64(len(e))/(instances*(weeks-1)) > 1 {
						if warnings(train.grid.limits[n]) <= 1 {
							naive++
						}
						break
					}
				}
			}
		}
	}
	t.Logf("kept in %d of %d weeks, by the count alone in %d; the true rate is kept by %d", kept, trials, naive, sound)
	if kept < trials*17/20 || kept <= naive || sound < trials*9/10 {
		t.Errorf("kept in %d of %d weeks, by the count alone in %d; the true rate is kept by %d", kept, trials, naive, sound)
	}
}

// latency is a histogram in which one request in a hundred takes more than a second when it is slow.
func latency(counts []uint64) evidence.Catalog {
	total := uint64(0)
	for _, c := range counts {
		total += c
	}
	return evidence.Catalog{"latency": {{Name: "latency", Unit: "s", Data: metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.HistogramDataPoint[float64]{
		{Attributes: attribute.NewSet(), Bounds: []float64{.25, .5, 1}, BucketCounts: slices.Clone(counts), Count: total}}}}}}
}

// TestQuantile: a limit of a latency is a boundary, and the next one is named.
func TestQuantile(t *testing.T) {
	r := NewRule(queryOf(rule.Rule{Value: rule.Quantile(.9, "latency"), Fail: rule.Above(time.Second)}), 0, 0, []float64{.25, .5, 1})
	c := r.Instance("a")
	counts := []uint64{0, 0, 0, 0}
	n := 4 * 7 * 24 * 60
	for i := range n {
		counts[0] += 90
		if i%(24*60) < 10 { // ten minutes a day above 0.25 s
			counts[1] += 30
		}
		if i == n/2 { // once above 0.5 s
			counts[2] += 100
		}
		c.Add(begin.Add(time.Duration(i)*time.Minute), latency(counts), false)
	}
	c.End()
	l := r.Suggest(Goal{PerWeek: 1}, nil)
	if !l.OK || l.Value != .5 || l.Counted != 1 || l.Easier != .25 || l.EasierCounted != 28 {
		t.Errorf("suggested %+v, want 0.5 with one warning, and 28 at 0.25", l)
	}
	all, hours, by := r.Spreads()
	if all.Max != 1 || all.Median != .25 || hours[0].P90 != .5 || hours[5].P90 != .25 || by["a"] != all {
		t.Errorf("spread %+v, at midnight %+v", all, hours[0])
	}
	worst := r.Incidents(5)
	if len(worst) != 1 || !worst[0].From.Equal(begin.Add(time.Duration(n/2)*time.Minute)) {
		t.Errorf("the worst times are %v", worst)
	}
	l = r.Suggest(Goal{PerWeek: .7}, nil)
	if l.Value != 1 {
		t.Errorf("for one in ten days %+v, want 1", l)
	}
	l = r.Suggest(Goal{PerWeek: .7}, []Incident{{worst[0].From, worst[0].To}})
	if l.Value != .5 || l.Counted != 0 {
		t.Errorf("without the incident %+v, want 0.5", l)
	}
}

// TestNoPromise: too short a time, no samples, and a value that is always high.
func TestNoPromise(t *testing.T) {
	q := queryOf(rule.Rule{Value: rule.Last("queue"), Warn: rule.Above(1)})
	r := NewRule(q, 0, 0, nil)
	if l := r.Suggest(Goal{PerWeek: 1}, nil); l.OK || l.Why != "there is no sample in this time" {
		t.Errorf("%+v", l)
	}
	c := r.Instance("a")
	for i := range 7 * 24 * 60 {
		c.Add(begin.Add(time.Duration(i)*time.Minute), gauge(20), false)
	}
	c.End()
	if l := r.Suggest(Goal{PerWeek: 1}, nil); l.OK || !strings.Contains(l.Why, "7 days are too short: even without a warning the bound is 2.3 a week; take 2.3 weeks or more") {
		t.Errorf("%+v", l)
	}
	if l := r.Suggest(Goal{PerWeek: 5}, nil); !l.OK || l.Value != 20 || l.Counted != 0 || l.Easier != 19 { // 19 is crossed all the time, and its warning would be repeated for ever
		t.Errorf("%+v, want 20", l)
	}
}

// TestLower: for a lower limit, Suggest finds the highest one that keeps the goal.
func TestLower(t *testing.T) {
	r := NewRule(queryOf(rule.Rule{Value: rule.Last("queue"), Warn: rule.Below(1)}), 0, 0, nil)
	c := r.Instance("a")
	for i := range 4 * 7 * 24 * 60 {
		v := 50.0
		if i%(24*60) == 700 {
			v = 30
		}
		c.Add(begin.Add(time.Duration(i)*time.Minute), gauge(v), false)
	}
	c.End()
	if l := r.Suggest(Goal{PerWeek: 1}, nil); l.Value != 30 || l.Easier != 31 || l.EasierCounted != 28 {
		t.Errorf("%+v, want 30", l)
	}
}

// TestService: warnings of several instances at the same time are one warning of the service.
func TestService(t *testing.T) {
	r := NewRule(queryOf(rule.Rule{Value: rule.Last("queue"), Warn: rule.Above(1)}), 0, 0, nil)
	for k := range 3 {
		c := r.Instance(fmt.Sprint(k))
		for i := range 4 * 7 * 24 * 60 {
			v := 1.0
			if i%(14*24*60) >= 100 && i%(14*24*60) < 110+k {
				v = 90
			}
			c.Add(begin.Add(time.Duration(i)*time.Minute), gauge(v), false)
		}
		c.End()
	}
	each, service := r.Suggest(Goal{PerWeek: 1}, nil), r.Suggest(Goal{PerWeek: 1.5, Service: true}, nil)
	if each.Counted != 6 || each.Value != 1 || service.Counted != 2 || service.Value != 1 {
		t.Errorf("each %+v\nservice %+v", each, service)
	}
}

// TestCovered: covered counts only the part of an incident within the time, and overlapping incidents once.
func TestCovered(t *testing.T) {
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	hours := func(a, b int) Incident {
		return Incident{from.Add(time.Duration(a) * time.Hour), from.Add(time.Duration(b) * time.Hour)}
	}
	for want, all := range map[time.Duration][]Incident{
		0:              {hours(-50, -48), hours(30, 32)},
		2 * time.Hour:  {hours(3, 5), hours(3, 4)},
		5 * time.Hour:  {hours(4, 7), hours(-1, 1), hours(6, 8)},
		24 * time.Hour: {hours(-1, 100)},
	} {
		if got := covered(all, from, from.Add(24*time.Hour)); got != want {
			t.Errorf("%v: %v, want %v", all, got, want)
		}
	}
}
