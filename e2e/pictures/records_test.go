package main

import (
	"math"
	"slices"
	"sort"
	"time"
)

// A record is what the rules should have recorded of a job, one entry for each evaluation: NaN is nothing.
type record struct {
	instances, ready, running, begins, settled, most, lost, expected, ratio, silent []float64

	budgets [3]budget // of readiness, of requests without error, of fast requests
}

// A budget is what is bad, and what there is, at each evaluation; first those of the days before.
type budget struct {
	times    []int64
	bad, all []figure // NaN is nothing
	sumBad   []figure // of those before
	sumAll   []figure
}

func (b *budget) add(t int64, bad, all figure) {
	if len(b.times) == 0 {
		b.sumBad, b.sumAll = []figure{{}}, []figure{{}}
	}
	n := len(b.times)
	b.times, b.bad, b.all = append(b.times, t), append(b.bad, bad), append(b.all, all)
	if math.IsNaN(all.lo) {
		bad, all = figure{}, figure{}
	}
	b.sumBad, b.sumAll = append(b.sumBad, b.sumBad[n].plus(bad)), append(b.sumAll, b.sumAll[n].plus(all))
}

// sums adds up the evaluations in (at-d, at].
func (b *budget) sums(at int64, d time.Duration) (bad, all figure) {
	from := sort.Search(len(b.times), func(i int) bool { return b.times[i] > at-d.Milliseconds() })
	to := sort.Search(len(b.times), func(i int) bool { return b.times[i] > at })
	between := func(s []figure) figure {
		// What is left of long sums is not exact.
		return figure{lo: math.Max(0, s[to].lo-s[from].lo), hi: math.Max(0, s[to].hi-s[from].hi)}
	}
	return between(b.sumBad), between(b.sumAll)
}

// eval is the number of the newest evaluation, or -1.
func (l *ledger) eval(at int64) int {
	return sort.Search(len(l.evals), func(i int) bool { return l.evals[i] > at }) - 1
}

// evaluated are the numbers of the evaluations in (at-d, at].
func (l *ledger) evaluated(at int64, d time.Duration) (from, to int) {
	return l.eval(at-d.Milliseconds()) + 1, l.eval(at) + 1
}

// judge counts what the rules should record, in the words of docs/alerts.md: an instance is expected
// if it runs or was lost within the hour; not more than were there at once in the hour, for 5 minutes.
func (l *ledger) judge() {
	l.records = map[string]*record{}
	for t := l.w.began.Add(every); !t.After(l.w.until); t = t.Add(every) {
		l.evals = append(l.evals, t.UnixMilli())
	}
	of := map[string][]*life{}
	for _, f := range l.pods {
		of[f.job] = append(of[f.job], f)
	}
	began := l.remembered()
	for job, pods := range of {
		r := &record{}
		l.records[job] = r
		if n := began[job]; n > 0 {
			for t := l.w.began.Add(-max(l.w.days, 70*time.Minute)); t.Before(l.w.began); t = t.Add(every) {
				for k, o := range objectives {
					r.budgets[k].add(t.UnixMilli(), exactly(o.per*n*o.share(job, t)), exactly(o.per*n))
				}
			}
		}
		var left []bool
		for k, te := range l.evals {
			for _, f := range pods {
				f.until = te // the rules run before what is exported at the same moment
			}
			r.presence(pods, te)
			r.most = append(r.most, l.most(r, began[job], te))
			r.expect()
			gone := 0.0
			for _, f := range pods {
				if n := f.last(te, time.Hour); n >= 0 && (f.conds[n].life == "draining" || f.conds[n].life == "maintenance") {
					gone++
				}
			}
			left = append(left, r.running[k]+r.begins[k] == 0 && gone >= r.most[k])
			from, _ := l.evaluated(te, time.Hour)
			silent := math.NaN()
			if math.IsNaN(r.instances[k]) && r.lost[k] > 0 && !slices.Contains(left[from:], true) {
				silent = r.lost[k]
			}
			r.silent = append(r.silent, silent)
			r.spend(pods, te)
		}
		for _, f := range pods {
			f.until = math.MaxInt64
		}
	}
}

// presence counts the pods at an evaluation.
func (r *record) presence(pods []*life, te int64) {
	var heard, ready, running, begins, settled, lost float64
	for _, f := range pods {
		n := f.last(te, fresh)
		if n < 0 {
			if n := f.last(te, time.Hour); n >= 0 && f.conds[n].life != "draining" && f.conds[n].life != "maintenance" {
				lost++
			}
			continue
		}
		heard++
		ready += 1 - is(f.conds[n].ready(), "fail")
		running += is(f.conds[n].life, "running")
		begins += is(f.conds[n].life, "starting")
		if f.last(te-lookback.Milliseconds(), lookback) >= 0 {
			settled++
		}
	}
	if heard == 0 {
		ready, running, begins = math.NaN(), math.NaN(), math.NaN()
	}
	r.instances = append(r.instances, present(heard))
	r.ready, r.running, r.begins = append(r.ready, ready), append(r.running, running), append(r.begins, begins)
	r.settled, r.lost = append(r.settled, present(settled)), append(r.lost, lost)
}

// present is nothing instead of 0, as PromQL counts.
func present(n float64) float64 {
	if n == 0 {
		return math.NaN()
	}
	return n
}

// most is how many were there at once within the hour: for every minute the fewest of five minutes.
func (l *ledger) most(r *record, began float64, te int64) float64 {
	most := math.NaN()
	const minute = int64(60_000)
	for m := te / minute * minute; m > te-60*minute; m -= minute {
		least := math.NaN()
		from, to := l.evaluated(m, 5*time.Minute)
		for _, n := range r.settled[min(from, len(r.settled)):min(to, len(r.settled))] {
			if !math.IsNaN(n) {
				least = math.Min(n, orElse(least, n))
			}
		}
		// Before the samples there is what is remembered, up to half a minute before they begin.
		if first := l.w.began.UnixMilli(); began > 0 && m-5*minute < first-every.Milliseconds() && m >= first-int64(70)*minute {
			least = math.Min(began, orElse(least, began))
		}
		if !math.IsNaN(least) {
			most = math.Max(least, orElse(most, least))
		}
	}
	return most
}

func orElse(v, other float64) float64 {
	if math.IsNaN(v) {
		return other
	}
	return v
}

// expect counts the instances that should serve, and the share of them that is ready.
func (r *record) expect() {
	k := len(r.running) - 1
	expected := r.running[k] + r.lost[k]
	if most := r.most[k]; !math.IsNaN(most) && !math.IsNaN(expected) {
		expected = math.Min(expected, most)
	} else {
		expected = r.running[k]
	}
	r.expected = append(r.expected, expected)
	ratio := math.NaN()
	if expected > 0 && !math.IsNaN(r.ready[k]) {
		ratio = math.Min(1, r.ready[k]/expected)
	}
	r.ratio = append(r.ratio, ratio)
}

var nothing = exactly(math.NaN())

// spend counts what is spent of the budgets at an evaluation, over five minutes.
func (r *record) spend(pods []*life, te int64) {
	const w = 5 * time.Minute
	var bad, all [3]figure
	var any [3]bool
	for _, f := range pods {
		from, to := f.within(te, w)
		through := to > from // it ran all the time
		for _, c := range f.conds[from:to] {
			through = through && c.life == "running"
		}
		for _, c := range f.columns["health_probe_state_duration_seconds_total"] {
			if v, ok := c.rate(f, te, w); ok && through && c.has("health_probe_name", "readiness") {
				all[0], any[0] = all[0].plus(v), true
				if c.has("health_probe_state", "fail") {
					bad[0] = bad[0].plus(v)
				}
			}
		}
		for _, c := range f.columns["http_server_request_duration_seconds_count"] {
			v, ok := c.grown(f, te)
			if !ok {
				continue
			}
			all[1], any[1] = all[1].plus(v), true
			all[2], any[2] = all[2].plus(v), true
			slow := v
			for _, b := range f.columns["http_server_request_duration_seconds_bucket"] {
				if b.has("le", "0.5", "http_response_status_code", c.labels["http_response_status_code"]) {
					if fast, ok := b.grown(f, te); ok {
						slow = figure{lo: math.Max(0, v.lo-fast.lo), hi: v.hi - fast.hi}
						if v.young || fast.young { // each is cut in its own way
							slow = figure{lo: math.Max(0, v.lo-fast.hi), hi: v.hi - fast.lo}
						}
					}
				}
			}
			bad[2] = bad[2].plus(slow)
			if code := c.labels["http_response_status_code"]; code != "503" && code[0] == '5' {
				bad[1] = bad[1].plus(v)
			}
		}
	}
	for k := range r.budgets {
		if !any[k] {
			bad[k], all[k] = nothing, nothing
		}
		r.budgets[k].add(te, bad[k], all[k])
	}
}

// grown is a counter's rate over five minutes. All of a counter counts that is newer, if its pod is not:
// else the first errors would be missed.
func (c *column) grown(f *life, te int64) (figure, bool) {
	const w = 5 * time.Minute
	now, ok := c.at(f, te, w)
	if !ok {
		return figure{}, false
	}
	before := te - w.Milliseconds()
	if _, had := c.at(f, before, lookback); !had {
		lived := time.Duration(f.times[f.last(te, w)]-f.p.start.UnixMilli()) * time.Millisecond
		if f.last(before, lookback) >= 0 || lived < 10*time.Minute {
			return exactly(now / w.Seconds()), true
		}
	}
	return c.rate(f, te, w)
}

// remembered is how many pods of each job had started before the samples begin.
func (l *ledger) remembered() map[string]float64 {
	jobs := map[string]float64{}
	for _, f := range l.pods {
		if f.p.start.Before(l.w.began) {
			jobs[f.job]++
		}
	}
	return jobs
}
