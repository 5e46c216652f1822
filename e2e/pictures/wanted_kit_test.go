package main

import "math"

// greatest is the greatest value of a gauge, by some labels.
func greatest(name string, by ...string) func(l look) rows {
	return func(l look) rows {
		r := rows{}
		l.gauges(l.seen, name, func(f *life, c *column, v float64) { r.raise(keyOf(f, c, by), v) })
		return r
	}
}

func least(name string, by ...string) func(l look) rows {
	return func(l look) rows {
		r := rows{}
		l.gauges(l.seen, name, func(f *life, c *column, v float64) { r.lower(keyOf(f, c, by), v) })
		return r
	}
}

// total adds up a gauge, by some labels.
func total(name string, by ...string) func(l look) rows {
	return func(l look) rows {
		r := rows{}
		l.gauges(l.seen, name, func(f *life, c *column, v float64) { r.add(keyOf(f, c, by), exactly(v)) })
		return r
	}
}

func rateOf(name string, by ...string) func(l look) rows {
	return func(l look) rows { return l.rates(l.seen, name, by) }
}

func quantileOf(q float64, name string, by ...string) func(l look) rows {
	return func(l look) rows { return l.quantiles(q, name, by...) }
}

// across compares the pods: the greatest, the least or the average of what each has.
func across(how string, each func(l look) rows) func(l look) rows {
	return func(l look) rows {
		var out figure
		all := each(l)
		n := 0
		for _, f := range all {
			switch {
			case how == "average":
				out = out.plus(f.times(1 / float64(len(all))))
			case n == 0:
				out = f
			case how == "most":
				out = figure{lo: math.Max(out.lo, f.lo), hi: math.Max(out.hi, f.hi)}
			case how == "fewest":
				out = figure{lo: math.Min(out.lo, f.lo), hi: math.Min(out.hi, f.hi)}
			}
			n++
		}
		if n == 0 {
			return rows{}
		}
		return rows{of(): out}
	}
}

var eachPod = []string{"job", "instance"}

// limitOf is the limit of a rule's check.
func limitOf(name string) (float64, bool) {
	limit, ok := map[string]float64{"queue": 80, "latency": .5}[name]
	return limit, ok
}

func (c condition) judged(check string) float64 {
	return map[string]float64{"queue": c.length, "latency": c.median * 5}[check]
}

// why are the checks that don't pass, of the pods that are heard.
type whyRow struct{ job, check, state, role string }

var roles = map[string]string{"database": "core", "queue": "core", "cache": "auxiliary", "latency": "auxiliary"}

func whys(list []word) map[whyRow][]word {
	out := map[whyRow][]word{}
	for _, w := range list {
		for check, state := range checksOf(w.condition) {
			if state != "pass" {
				row := whyRow{w.f.job, check, state, roles[check]}
				out[row] = append(out[row], w)
			}
		}
	}
	return out
}

func (w whyRow) key() string {
	return of("job", w.job, "health_check_name", w.check, "health_check_state", w.state, "health_check_role", w.role)
}

func stateNow(l look) rows {
	r := rows{}
	for _, w := range l.heard(fresh) {
		r.raise(of("instance", w.f.instance), w.state())
	}
	return r
}

// windowState is what a pod shows in a part of a line: what is rare comes first.
func windowState(f *life, from, to int) float64 {
	best := 0.0
	for _, c := range f.conds[from:to] {
		best = max(best, c.state())
	}
	return best
}
