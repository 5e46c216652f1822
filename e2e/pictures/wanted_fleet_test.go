package main

import (
	"slices"
	"time"
)

// shares are the shares of instances that are ready: of the heard ones, or, if these are fewer,
// of the expected ones.
func (l look) shares() map[string]float64 {
	n, ready := map[string]float64{}, map[string]float64{}
	for _, w := range l.serving() {
		n[w.f.job]++
		ready[w.f.job] += 1 - is(w.ready(), "fail")
	}
	share := map[string]float64{}
	for _, job := range l.alive(fresh) {
		if n[job] > 0 {
			share[job] = ready[job] / n[job]
		}
		if r := l.records[job]; n[job] > 0 {
			share[job] = min(share[job], orElse(r.ratio[l.eval(l.at)], 1))
		}
	}
	return share
}

// servicesWith counts the services whose share is right; nothing if none is heard.
func servicesWith(right func(share float64) bool) func(l look) rows {
	return func(l look) rows {
		var n float64
		shares := l.shares()
		if len(l.alive(fresh)) == 0 {
			return rows{}
		}
		for _, share := range shares {
			if right(share) {
				n++
			}
		}
		return one(n)
	}
}

// ofHeard is a figure of the pods that are heard; nothing if none is.
func ofHeard(n func(l look) float64) func(l look) rows {
	return func(l look) rows {
		if len(l.heard(fresh)) == 0 {
			return rows{}
		}
		return one(n(l))
	}
}

func readyNow(l look) (n float64) {
	for _, w := range l.serving() {
		n += 1 - is(w.ready(), "fail")
	}
	return n
}

func expectedNow(l look) rows {
	var n float64
	var any bool
	for _, job := range l.alive(fresh) {
		if x := l.records[job].expected[l.eval(l.at)]; x == x {
			n, any = n+x, true
		}
	}
	if !any {
		return rows{}
	}
	return one(n)
}

// failingChecks are the checks that fail in a pod that serves, by job.
func failingChecks(l look) map[string]map[string]bool {
	failing := map[string]map[string]bool{}
	for _, w := range l.serving() {
		for check, state := range checksOf(w.condition) {
			if state == "fail" {
				if failing[w.f.job] == nil {
					failing[w.f.job] = map[string]bool{}
				}
				failing[w.f.job][check] = true
			}
		}
	}
	return failing
}

// age is how old a job's newest data are, in the range.
func (l look) age(key func(f *life) string, d time.Duration) rows {
	r := rows{}
	for _, f := range l.seen {
		if n := f.last(l.at, d); n >= 0 {
			r.lower(key(f), float64(l.at-f.times[n])/1000)
		}
	}
	return r
}

func byJob(f *life) string { return of("job", f.job) }

// recorded is one of the recorded figures now, by job.
func recorded(get func(r *record) []float64) func(l look) rows {
	return func(l look) rows {
		r := rows{}
		for _, job := range l.jobs {
			if rec, n := l.records[job], l.eval(l.at); n >= 0 {
				if v := get(rec)[n]; v == v {
					r[of("job", job)] = exactly(v)
				}
			}
		}
		return r
	}
}

// errorShares are shares of server errors. 503 is no error: it is how a service says that it is not ready.
func errorShares(by ...string) func(l look) rows {
	return func(l look) rows {
		all := l.rates(l.seen, "http_server_request_duration_seconds_count", by)
		bad := l.rates(l.seen, "http_server_request_duration_seconds_count", by, "http_response_status_code", "500")
		r := rows{}
		for key, f := range all {
			if f.hi > 0 {
				r[key] = bad[key].over(f)
			}
		}
		return r
	}
}

var fleetFigures = map[string]wanted{
	"1 A": {count: servicesWith(func(share float64) bool { return share == 1 })},
	"2 A": {count: servicesWith(func(share float64) bool { return share > 0 && share < 1 })},
	"3 A": {count: servicesWith(func(share float64) bool { return share == 0 })},
	"4 A": {count: func(l look) rows {
		for _, f := range l.seen {
			if f.last(l.end, l.span) >= 0 {
				return one(float64(len(l.silentJobs())))
			}
		}
		return rows{}
	}},
	"5 A": {count: ofHeard(func(l look) (n float64) {
		for _, checks := range failingChecks(l) {
			n += float64(len(checks))
		}
		return n
	})},
	"6 A": {count: ofHeard(readyNow)},
	"6 B": {count: ofHeard(func(l look) float64 { return float64(len(l.serving())) })},
	"6 C": {count: expectedNow},
	"10 A": {count: func(l look) rows {
		r := rows{}
		for _, job := range l.jobs {
			rec := l.records[job]
			from, to := l.evaluated(l.at, l.rate)
			for n := from; n < to; n++ {
				if v := rec.ratio[n]; v == v {
					r.lower(of("job", job), v)
				}
			}
			for n := from; n < to && len(rec.instances) > n; n++ {
				if _, ok := r[of("job", job)]; !ok && rec.instances[n] > 0 {
					r[of("job", job)] = exactly(2) // nobody serves, and nobody should
				}
			}
			if _, ok := r[of("job", job)]; ok {
				continue
			}
			for n, _ := l.evaluated(l.end, l.span); n < to; n++ {
				if rec.instances[n] > 0 {
					r[of("job", job)] = exactly(-1)
				}
			}
		}
		return r
	}},
	"11 A": {count: func(l look) rows {
		r := rows{}
		for _, job := range l.alive(fresh) {
			r[of("job", job)] = exactly(0)
		}
		for _, w := range l.serving() {
			r.add(of("job", w.f.job), exactly(is(w.ready(), "fail")))
		}
		return r
	}},
	"12 A": {count: recorded(func(r *record) []float64 { return r.instances })},
	"12 B": {count: recorded(func(r *record) []float64 { return r.most })},
	"20 A": {count: func(l look) rows {
		r := rows{}
		for _, f := range l.seen {
			if f.last(l.end, l.span) >= 0 {
				r[of("job", f.job)] = exactly(2) // all have left
			}
		}
		for job := range l.silentJobs() {
			r[of("job", job)] = exactly(-1)
		}
		shares := l.shares()
		for _, job := range l.alive(fresh) {
			r[of("job", job)] = exactly(shares[job])
		}
		return r
	}},
	"20 B": {count: func(l look) rows {
		r := rows{}
		for _, job := range l.alive(fresh) {
			r[of("job", job)] = exactly(0)
		}
		for _, w := range l.serving() {
			r.add(of("job", w.f.job), exactly(1))
		}
		return r
	}},
	"20 C": {count: func(l look) rows {
		r := rows{}
		failing := failingChecks(l)
		for _, job := range l.alive(fresh) {
			r[of("job", job)] = exactly(float64(len(failing[job])))
		}
		return r
	}},
	"20 D": {
		count: func(l look) rows {
			return l.rates(l.seen, "http_server_request_duration_seconds_count", []string{"job"})
		},
		about: func(l look) rows {
			r := rows{}
			for _, w := range l.heard(fresh) {
				r.add(of("job", w.f.job), exactly(w.rate))
			}
			return r
		}},
	"20 E": {count: errorShares("job")},
	"20 F": {count: func(l look) rows { return l.quantiles(.99, "http_server_request_duration_seconds", "job") }},
	"20 G": {count: func(l look) rows {
		r := rows{}
		for _, w := range l.heard(lookback) {
			r.raise(of("job", w.f.job), w.length/100)
		}
		return r
	}},
	"20 H": {count: func(l look) rows { return l.age(byJob, l.span) }},
	"21 A": {top: 10, count: func(l look) rows {
		failed, all := map[[2]string]float64{}, map[[2]string]float64{}
		for _, f := range l.seen {
			from, to := f.within(l.at, l.span)
			for _, c := range f.conds[from:to] {
				for check, state := range checksOf(c) {
					all[[2]string{f.job, check}]++
					failed[[2]string{f.job, check}] += is(state, "fail")
				}
			}
		}
		alive, r := map[string]bool{}, rows{}
		for _, job := range l.alive(fresh) {
			alive[job] = true
		}
		for key, n := range all {
			if failed[key] > 0 || alive[key[0]] {
				r[of("job", key[0], "health_check_name", key[1])] = exactly(failed[key] / n)
			}
		}
		return r
	}},
	"22 A": {count: func(l look) rows {
		r := rows{}
		for _, a := range l.alerts {
			who := a["instance"]
			for _, f := range l.pods {
				if f.instance == who && f.last(l.at, lookback) >= 0 {
					who = f.p.name
				}
			}
			for _, job := range slices.Concat(l.jobs, []string{""}) {
				if job == a["job"] {
					r.add(of("alertname", a["alertname"], "severity", a["severity"], "job", job, "who", who), exactly(1))
				}
			}
		}
		if len(r) == 0 && len(l.alive(fresh)) > 0 {
			r[of("alertname", "no alert fires")] = exactly(0)
		}
		return r
	}},
}
