package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// exact is how far a figure may be from what was counted, because sums of fractions are not exact. All
// other tolerance is in the counts: see figure and rate.
const exact = 1e-6

// asker answers a query of a panel.
type asker func(p panel, q target) (promql.Matrix, error)

// compare reports where a query gives other figures than were counted. It also returns the greatest figure shown.
func (w wanted) compare(p *played, c choice, v view, on panel, q target, ask asker) (shown float64, err error) {
	got, err := ask(on, q)
	if err != nil {
		return 0, err
	}
	interval := v.interval(on.points())
	l := p.look(c)
	l.rate = max(interval+tick, 4*tick)
	var steps []int64
	if q.Instant {
		steps = []int64{v.end.UnixMilli()}
	} else {
		end := v.end.Truncate(interval)
		for t := end.Add(-v.span); !t.After(end); t = t.Add(interval) {
			steps = append(steps, t.UnixMilli())
		}
	}
	l.end = steps[len(steps)-1]
	values := map[int64]map[string]float64{}
	for _, s := range got {
		b := labels.NewBuilder(s.Metric)
		key := b.Del(model.MetricNameLabel).Labels().String()
		for _, x := range s.Floats {
			if values[x.T] == nil {
				values[x.T] = map[string]float64{}
			}
			if _, twice := values[x.T][key]; twice {
				return 0, fmt.Errorf("two rows are %s", key)
			}
			values[x.T][key] = x.F
			if math.Abs(x.F) > shown && !math.IsNaN(x.F) {
				shown = math.Abs(x.F)
			}
		}
	}
	var wrong []string
	chosen := map[string]bool{}
	var rank rows
	var least, most float64
	for _, at := range steps {
		l.at = at
		want := w.count(l)
		say := func(format string, of ...any) {
			wrong = append(wrong, time.UnixMilli(at).UTC().Format("15:04:05 ")+fmt.Sprintf(format, of...))
		}
		if rank == nil || w.rank == nil {
			rank = w.ranks(l, want)
			least, most = w.cut(rank)
		}
		for _, key := range keys(want) {
			f := want[key]
			n, ok := values[at][key]
			switch {
			case ok && (math.IsNaN(n) || n < f.lo-exact*math.Abs(f.lo)-1e-9 || n > f.hi+exact*math.Abs(f.hi)+1e-9):
				say("%s shows %v; counted are %v to %v", key, n, f.lo, f.hi)
			case ok && rank[key].hi < least-1e-9:
				say("%s is shown, and is not one of the %d", key, w.top)
			case !ok && !f.maybe && rank[key].lo > most+1e-9:
				say("%s is not shown; counted are %v to %v", key, f.lo, f.hi)
			}
		}
		for key, n := range values[at] {
			chosen[key] = true
			if _, ok := want[key]; !ok {
				say("%s shows %v; nothing is counted", key, n)
			}
		}
		if w.top != 0 && w.rank == nil && len(values[at]) != min(len(want), max(w.top, -w.top)) {
			say("%d rows of %d", len(values[at]), len(want))
		}
		if at == l.end && w.about != nil {
			for key, f := range w.about(l) {
				if n := values[at][key]; math.Abs(n-f.lo) > .05*f.lo {
					say("%s shows %v; the pods have about %v", key, n, f.lo)
				}
			}
		}
	}
	if w.rank != nil && len(chosen) > w.top {
		wrong = append(wrong, fmt.Sprintf("%d rows", len(chosen)))
	}
	if len(wrong) > 0 {
		return shown, fmt.Errorf("%d of %d steps or rows are wrong: %s", len(wrong), len(steps), strings.Join(wrong[:min(3, len(wrong))], "; "))
	}
	return shown, nil
}

func (w wanted) ranks(l look, want rows) rows {
	if w.rank != nil {
		return w.rank(l)
	}
	if w.top < 0 {
		turned := rows{}
		for key, f := range want {
			turned[key] = figure{lo: -f.hi, hi: -f.lo}
		}
		return turned
	}
	return want
}

// cut separates the rows that a query shows from the others. A shown row may not be below the least, and a row
// that is not shown may not be above the most.
func (w wanted) cut(rank rows) (least, most float64) {
	k := max(w.top, -w.top)
	if k == 0 || len(rank) <= k {
		return math.Inf(-1), math.Inf(-1)
	}
	var lo, hi []float64
	for _, f := range rank {
		lo, hi = append(lo, f.lo), append(hi, f.hi)
	}
	slices.Sort(lo)
	slices.Sort(hi)
	return lo[len(lo)-k], hi[len(hi)-k]
}
