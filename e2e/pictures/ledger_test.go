package main

import (
	"math"
	"sort"
	"time"
)

// A ledger is what the pods and collectors of a scene exported, and when. Figures are counted from it,
// without Prometheus.
type ledger struct {
	w                *world
	pods, collectors []*life
	alerts           []map[string]string // that fire at the end, as the rules' engine lists them
	records          map[string]*record  // by job
	evals            []int64
}

// A life is that of a pod or a collector: one entry for each export. Times are in milliseconds.
type life struct {
	job, instance string
	p             *pod // nil for a collector
	times         []int64
	conds         []condition
	checks        map[string]*changes
	columns       map[string][]*column // by the name of the metric
	known         map[string]*column
	until         int64 // exports from here on are not seen
}

// A column is a series: one value for each export, NaN before its first.
type column struct {
	labels map[string]string
	values []float64
}

// changes are those of one check.
type changes struct {
	states []string
	last   []int64 // seconds of the last transition, 0 without one
}

var checkNames = []string{"database", "cache", "queue", "latency"}

func checksOf(c condition) map[string]string {
	return map[string]string{"database": c.database, "cache": c.cache, "queue": c.queue, "latency": c.latency}
}

// write puts a value into the life's last export.
func (f *life) write(v float64, name string, pairs ...string) {
	f.writeAt(len(f.times)-1, v, name, pairs...)
}

func (f *life) writeAt(n int, v float64, name string, pairs ...string) {
	key := name
	for _, p := range pairs {
		key += "|" + p
	}
	c := f.known[key]
	if c == nil {
		c = &column{labels: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			c.labels[pairs[i]] = pairs[i+1]
		}
		f.known[key] = c
		f.columns[name] = append(f.columns[name], c)
	}
	for len(c.values) < n {
		c.values = append(c.values, math.NaN())
	}
	c.values = append(c.values, v)
}

func newLife(job, instance string, p *pod) *life {
	return &life{job: job, instance: instance, p: p, until: math.MaxInt64, checks: map[string]*changes{}, columns: map[string][]*column{}, known: map[string]*column{}}
}

// keep plays a scene for the ledger: each pod alone, in the order of its exports.
func keep(w *world) *ledger {
	if w.until.IsZero() {
		w.until = now
	}
	l := &ledger{w: w}
	points := map[int64]int{} // put by the pods at each tick
	for _, p := range w.pods {
		f := newLife(p.job, p.instance(), p)
		for _, check := range checkNames {
			f.checks[check] = &changes{}
		}
		for t := w.began; t.Before(w.until); t = t.Add(tick) {
			at := t.Add(p.offset)
			if over := !p.end.IsZero() && at.After(p.end); over {
				if said := len(f.times) > 0 && f.times[len(f.times)-1] == p.end.UnixMilli(); p.killed || said {
					break
				}
				at = p.end
			}
			if at.Before(p.start) {
				continue
			}
			f.times, f.conds = append(f.times, at.UnixMilli()), append(f.conds, p.at(at))
			p.export(at, func(v float64, name string, pairs ...string) {
				f.write(v, name, pairs...)
				points[t.UnixMilli()]++
			})
			for check, state := range checksOf(f.conds[len(f.conds)-1]) {
				c := f.checks[check]
				var last int64
				if n := len(c.states); n > 0 {
					if last = c.last[n-1]; c.states[n-1] != state {
						last = at.Unix()
					}
				}
				c.states, c.last = append(c.states, state), append(c.last, last)
			}
		}
		l.pods = append(l.pods, f)
	}
	for _, c := range w.collectors {
		f := newLife("otel-collector", c.name, nil)
		for t := w.began; t.Before(w.until); t = t.Add(tick) {
			at := t.Add(time.Second)
			f.times = append(f.times, at.UnixMilli())
			c.export(at, points[t.UnixMilli()]/len(w.collectors), f.write)
		}
		l.collectors = append(l.collectors, f)
	}
	return l
}

// upTo is how many exports there are until a time.
func (f *life) upTo(at int64) int {
	return sort.Search(len(f.times), func(i int) bool { return f.times[i] > at || f.times[i] >= f.until })
}

// last is the index of the newest export in (at-d, at], or -1.
func (f *life) last(at int64, d time.Duration) int {
	n := f.upTo(at) - 1
	if n < 0 || f.times[n] <= at-d.Milliseconds() {
		return -1
	}
	return n
}

// within are the indices of the exports in (at-d, at].
func (f *life) within(at int64, d time.Duration) (from, to int) {
	return f.upTo(at - d.Milliseconds()), f.upTo(at)
}

// at is the column's newest value in (at-d, at].
func (c *column) at(f *life, at int64, d time.Duration) (float64, bool) {
	n := f.last(at, d)
	if n < 0 || n >= len(c.values) || math.IsNaN(c.values[n]) {
		return 0, false
	}
	return c.values[n], true
}

// has tells whether the column has all these labels.
func (c *column) has(pairs ...string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if c.labels[pairs[i]] != pairs[i+1] {
			return false
		}
	}
	return true
}
