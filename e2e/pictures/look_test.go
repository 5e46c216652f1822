package main

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// A look is a ledger at a moment, through a dashboard's variables.
type look struct {
	*ledger
	seen    []*life // of the jobs and instances that are chosen
	jobs    []string
	at, end int64
	span    time.Duration
	rate    time.Duration // $__rate_interval
}

// rows are the figures that a query should give, by their labels.
type rows map[string]figure

// of is the key of a row: its labels, as name and value in turn.
func of(pairs ...string) string {
	b := labels.NewBuilder(labels.EmptyLabels())
	for i := 0; i < len(pairs); i += 2 {
		b.Set(pairs[i], pairs[i+1])
	}
	return b.Labels().String()
}

func one(v float64) rows { return rows{of(): exactly(v)} }

func (r rows) add(key string, f figure) {
	r[key] = r[key].plus(f)
}

// raise keeps the greatest.
func (r rows) raise(key string, v float64) {
	if had, ok := r[key]; !ok || v > had.hi {
		r[key] = exactly(v)
	}
}

// lower keeps the least.
func (r rows) lower(key string, v float64) {
	if had, ok := r[key]; !ok || v < had.lo {
		r[key] = exactly(v)
	}
}

const (
	fresh    = 2 * time.Minute // how old data may be that panels show as current
	lookback = 5 * time.Minute // Prometheus' own
)

// A word is the last export of a pod.
type word struct {
	f *life
	condition
	n int // of the export
}

// heard are the last words in (at-d, at].
func (l look) heard(d time.Duration) (list []word) {
	for _, f := range l.seen {
		if n := f.last(l.at, d); n >= 0 {
			list = append(list, word{f, f.conds[n], n})
		}
	}
	return list
}

// serving are the pods that don't drain.
func (l look) serving() (list []word) {
	return slices.DeleteFunc(l.heard(fresh), func(w word) bool { return w.life == "draining" })
}

// alive are the jobs that were heard.
func (l look) alive(d time.Duration) []string {
	jobs := map[string]bool{}
	for _, w := range l.heard(d) {
		jobs[w.f.job] = true
	}
	return keys(jobs)
}

func keys[V any](m map[string]V) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// silent are the pods that were heard in the range, did not drain, and are not heard now.
func (l look) silent() (list []word) {
	for _, f := range l.seen {
		if n := f.last(l.at, l.span); n >= 0 && f.last(l.at, fresh) < 0 && f.conds[n].life != "draining" {
			list = append(list, word{f, f.conds[n], n})
		}
	}
	return list
}

// silentJobs are how many silent pods a job has of which none is heard.
func (l look) silentJobs() map[string]float64 {
	n := map[string]float64{}
	for _, w := range l.silent() {
		n[w.f.job]++
	}
	for _, job := range l.alive(fresh) {
		delete(n, job)
	}
	return n
}

// state is the number of a pod's state on the panels.
func (c condition) state() float64 {
	if n, ok := map[string]float64{"maintenance": 8, "starting": 7, "draining": 6}[c.life]; ok {
		return n
	}
	return map[string]float64{"fail": 5, "warn": 2, "pass": 1}[c.ready()]
}

// checkState is the number of a check's state on the panels.
var checkState = map[string]float64{"fail": 5, "stale": 4, "unknown": 3, "warn": 2, "pass": 1}

// wasHeard tells whether a pod was heard earlier in the range of a panel.
func (l look) wasHeard(f *life) bool {
	from, to := f.within(l.at, time.Duration(l.at-l.end)*time.Millisecond+l.span)
	return to > from
}

// columnsOf calls do with each series of a metric.
func columnsOf(list []*life, name string, do func(f *life, c *column)) {
	for _, f := range list {
		for _, c := range f.columns[name] {
			do(f, c)
		}
	}
}

// gauges calls do with each value of a metric now.
func (l look) gauges(list []*life, name string, do func(f *life, c *column, v float64)) {
	columnsOf(list, name, func(f *life, c *column) {
		if v, ok := c.at(f, l.at, lookback); ok {
			do(f, c, v)
		}
	})
}

// rates are the sums of the rates of a metric, by some labels; job and instance count as labels.
func (l look) rates(list []*life, name string, by []string, having ...string) rows {
	r := rows{}
	columnsOf(list, name, func(f *life, c *column) {
		if !c.has(having...) {
			return
		}
		if v, ok := c.rate(f, l.at, l.rate); ok {
			r.add(keyOf(f, c, by), v)
		}
	})
	return r
}

func keyOf(f *life, c *column, by []string) string {
	var pairs []string
	for _, label := range by {
		v := c.labels[label]
		switch label {
		case "job":
			v = f.job
		case "instance":
			v = f.instance
		}
		pairs = append(pairs, label, v)
	}
	return of(pairs...)
}

// allOf are the pods of some jobs. The choice of instances does not matter.
func (l look) allOf(jobs []string) (list []*life) {
	for _, f := range l.pods {
		if slices.Contains(jobs, f.job) {
			list = append(list, f)
		}
	}
	return list
}
