package main

import "math"

// checksNow calls do with each check of each pod that was heard in a while.
func (l look) checksNow(do func(w word, check, state string)) {
	for _, w := range l.heard(fresh) {
		for check, state := range checksOf(w.condition) {
			do(w, check, state)
		}
	}
}

// orNone adds the line that says that there is nothing.
func orNone(count func(l look) rows, exported string) func(l look) rows {
	return func(l look) rows {
		if len(count(l)) == 0 && len(total(exported)(l)) > 0 {
			return one(0)
		}
		return rows{}
	}
}

// transitions are those within the rate's interval. A first one has no sample before it, and counts if the
// check was there before.
func transitions(l look) rows {
	r := rows{}
	columnsOf(l.seen, "health_check_transitions_total", func(f *life, c *column) {
		key := keyOf(f, c, []string{"health_check_name", "health_check_state"})
		before := l.at - l.rate.Milliseconds()
		now, is := c.at(f, l.at, l.rate)
		if _, had := c.at(f, before, lookback); is && !had && f.last(before, lookback) >= 0 {
			r.add(key, exactly(now))
		} else if v, ok := c.rate(f, l.at, l.rate); ok {
			r.add(key, v.times(l.rate.Seconds()))
		}
	})
	return r
}

func failuresByClass(l look) rows {
	r := rows{}
	columnsOf(l.seen, "health_check_duration_seconds_count", func(f *life, c *column) {
		if v, ok := c.rate(f, l.at, l.rate); ok && c.labels["error_type"] != "" {
			r.add(keyOf(f, c, []string{"health_check_name", "error_type"}), v)
		}
	})
	return r
}

// since is how long ago a time is that the pods export.
func since(name string, unit func(check string) float64) func(l look) rows {
	return func(l look) rows {
		r := rows{}
		l.gauges(l.seen, name, func(f *life, c *column, v float64) {
			r.raise(keyOf(f, c, []string{"health_check_name"}), (float64(l.at)/1000-v)/unit(c.labels["health_check_name"]))
		})
		return r
	}
}

var checkFigures = map[string]wanted{
	"1 A": {count: func(l look) rows {
		worst := -1.0
		l.checksNow(func(_ word, _, state string) { worst = math.Max(worst, checkState[state]) })
		return one(worst)
	}},
	"2 A": {count: func(l look) rows {
		r := rows{}
		l.checksNow(func(_ word, _, state string) {
			for _, s := range states {
				r.add(of("health_check_state", s), exactly(is(state, s)))
			}
		})
		return r
	}},
	"3 A": {count: func(l look) rows {
		var passed, all float64
		for _, f := range l.seen {
			from, to := f.within(l.at, l.span)
			for _, c := range f.conds[from:to] {
				for _, state := range checksOf(c) {
					all++
					passed += is(state, "pass") + is(state, "warn")
				}
			}
		}
		if len(l.heard(fresh)) == 0 {
			return rows{}
		}
		return one(passed / all)
	}},
	"4 A": {count: func(l look) rows {
		changed := -1.0
		l.checksNow(func(w word, check, _ string) {
			changed = math.Max(changed, 1000*float64(w.f.checks[check].last[w.n]))
		})
		return one(changed)
	}},
	"5 A": {count: func(l look) rows {
		row := -1.0
		for _, f := range l.seen {
			for _, c := range f.columns["health_check_consecutive_failures"] {
				if v, ok := c.at(f, l.at, fresh); ok {
					row = math.Max(row, v)
				}
			}
		}
		return one(row)
	}},
	"10 A": {
		count: func(l look) rows {
			r := rows{}
			for _, f := range l.seen {
				from, to := f.within(l.at, l.rate)
				for _, check := range checkNames {
					key := of("job", f.job, "instance", f.instance, "health_check_name", check, "who", f.p.name)
					if from == to && l.wasHeard(f) {
						r[key] = exactly(-1)
					}
					for _, state := range f.checks[check].states[from:to] {
						r.raise(key, checkState[state])
					}
				}
			}
			return r
		},
		top: 20,
		rank: func(l look) rows {
			r := rows{}
			for _, f := range l.seen {
				from, to := f.within(l.end, l.span)
				for _, check := range checkNames {
					n := map[string]float64{}
					for _, state := range f.checks[check].states[from:to] {
						n[state] += 1 - is(state, "pass")
					}
					for _, n := range n { // the state that it was in for longest
						r.raise(of("job", f.job, "instance", f.instance, "health_check_name", check, "who", f.p.name), n)
					}
				}
			}
			return r
		}},
	"11 A": {count: transitions},
	"11 B": {count: orNone(transitions, "health_check_status")},
	"12 A": {count: func(l look) rows {
		failing, all, r := map[string]float64{}, map[string]float64{}, rows{}
		for _, w := range l.heard(lookback) {
			for check, state := range checksOf(w.condition) {
				key := of("job", w.f.job, "health_check_name", check)
				all[key]++
				failing[key] += is(state, "fail") + is(state, "stale")
			}
		}
		for key, n := range all {
			r[key] = exactly(failing[key] / n)
		}
		return r
	}},
	"20 A": {count: failuresByClass},
	"20 B": {count: orNone(failuresByClass, "health_check_interval_seconds")},
	"21 A": {count: quantileOf(.5, "health_check_duration_seconds", "health_check_name")},
	"21 B": {count: quantileOf(.99, "health_check_duration_seconds", "health_check_name")},
	"21 C": {count: least("health_check_timeout_seconds", "health_check_name")},
	"22 A": {count: since("health_check_last_run_timestamp_seconds", func(string) float64 { return 10 })},
	"23 A": {count: since("health_check_last_success_timestamp_seconds", func(string) float64 { return 1 })},
	"30 A": {count: greatest("health_check_limit", "health_check_name", "health_check_limit_type")},
	"30 B": {count: func(l look) rows {
		r := rows{}
		for _, w := range l.heard(lookback) {
			for _, check := range checkNames {
				if _, ok := limitOf(check); ok {
					r.raise(of("health_check_name", check), w.judged(check))
				}
			}
		}
		return r
	}},
	"40 A": {why: traces},
}
