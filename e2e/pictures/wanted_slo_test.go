package main

import "time"

// What each budget allows to be bad.
const (
	readyBudget   = .01
	requestBudget = .001
	slowBudget    = .01
)

const (
	ready = iota
	withoutError
	fast
)

// spent is what is bad of a job's budget in the range, and of how much.
func (l look) spent(job string, which int) (bad, all figure) {
	return l.records[job].budgets[which].sums(l.at, l.span)
}

// silence is how many instances were missing without a word, at all evaluations of the range together.
func (l look) silence(job string) (n float64) {
	from, to := l.evaluated(l.at, l.span)
	for _, v := range l.records[job].silent[from:to] {
		n += orElse(v, 0)
	}
	return n
}

// eachJob gives a figure for each job that has it.
func eachJob(figure func(l look, job string) (figure, bool)) func(l look) rows {
	return func(l look) rows {
		r := rows{}
		for _, job := range l.jobs {
			if f, ok := figure(l, job); ok {
				r[of("job", job)] = f
			}
		}
		return r
	}
}

// notReady is the share of the range in which instances were not ready. One without a word is not.
func notReady(l look, job string) (figure, bool) {
	bad, all := l.spent(job, ready)
	silent := exactly(l.silence(job))
	bad, all = bad.plus(silent), all.plus(silent)
	return bad.over(all), all.hi > 0
}

// failed is the share of requests that failed, of a service that is heard.
func failed(l look, job string) (figure, bool) {
	bad, all := l.spent(job, withoutError)
	from, to := l.evaluated(l.at, fresh)
	heard := false
	for _, n := range l.records[job].instances[from:to] {
		heard = heard || n > 0
	}
	return bad.over(all), all.hi > 0 && heard
}

func left(share func(l look, job string) (figure, bool), budget float64) func(l look) rows {
	return eachJob(func(l look, job string) (figure, bool) {
		f, ok := share(l, job)
		return f.without(budget), ok
	})
}

// burn is how fast a budget burns: the share that is bad, by the budget.
func burn(which int, budget float64, window time.Duration) func(l look) rows {
	return eachJob(func(l look, job string) (figure, bool) {
		b := &l.records[job].budgets[which]
		n := l.eval(l.at)
		if n < 0 {
			return figure{}, false
		}
		bad, all := b.sums(l.evals[n], window)
		if window == 5*time.Minute { // it is of the last evaluation alone
			bad, all = b.sums(l.evals[n], every)
		}
		return bad.over(all).times(1 / budget), all.hi > 0
	})
}

func burns(which int, budget float64, letter string) wanted {
	return wanted{count: burn(which, budget, windows[map[string]string{"A": "5m", "B": "30m", "C": "1h", "D": "6h", "E": "3d"}[letter]])}
}

var sloFigures = map[string]wanted{
	"1 A": {top: -1, count: left(notReady, 1)},
	"2 A": {top: -1, count: left(notReady, readyBudget)},
	"3 A": {top: -1, count: left(failed, 1)},
	"4 A": {top: -1, count: left(failed, requestBudget)},
	"5 A": {count: left(notReady, 1)},
	"5 B": {count: left(notReady, readyBudget)},
	"5 C": {count: eachJob(func(l look, job string) (figure, bool) {
		bad, all := l.spent(job, ready)
		return bad.plus(exactly(l.silence(job))).times(every.Seconds()), all.hi > 0
	})},
	"5 D": {count: left(failed, 1)},
	"5 E": {count: left(failed, requestBudget)},
	"5 F": {
		count: eachJob(func(l look, job string) (figure, bool) {
			_, all := l.spent(job, withoutError)
			return all.times(every.Seconds()), all.hi > 0
		}),
		about: func(l look) rows { // all requests of the range; rates of five minutes are half of that late
			r := rows{}
			for _, f := range l.allOf(l.jobs) {
				from, to := f.within(l.at-(150*time.Second).Milliseconds(), l.span)
				n := 0.0
				for _, c := range f.conds[from:to] {
					n += c.rate * tick.Seconds()
				}
				r.add(of("job", f.job), exactly(n))
			}
			return r
		}},
	"10 A": burns(ready, readyBudget, "A"),
	"10 B": burns(ready, readyBudget, "B"),
	"10 C": burns(ready, readyBudget, "C"),
	"10 D": burns(ready, readyBudget, "D"),
	"10 E": burns(ready, readyBudget, "E"),
	"11 A": burns(withoutError, requestBudget, "A"),
	"11 B": burns(withoutError, requestBudget, "B"),
	"11 C": burns(withoutError, requestBudget, "C"),
	"11 D": burns(withoutError, requestBudget, "D"),
	"11 E": burns(withoutError, requestBudget, "E"),
	"12 A": burns(fast, slowBudget, "A"),
	"12 B": burns(fast, slowBudget, "B"),
	"12 C": burns(fast, slowBudget, "C"),
	"12 D": burns(fast, slowBudget, "D"),
	"12 E": burns(fast, slowBudget, "E"),
	"20 A": {count: left(notReady, readyBudget)},
}
