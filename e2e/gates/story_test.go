package gates

import (
	"math/rand/v2"
	"time"
)

// A story is a rollout: three pods of the stable release, and two of the canary, which start at 0.
type story struct {
	name string
	want string                                // the outcome
	pod  func(p *pod, s *state)                // what happens to a pod
	life func(p *pod) (up, down time.Duration) // of a pod that crashes again and again
	late time.Duration                         // how late Prometheus has the samples
}

const (
	promoted   = "promoted"
	rolledBack = "rolled back"
	held       = "held"
)

// A pod, and the time since the canary's pods started.
type pod struct {
	name   string
	canary bool
	n      int
	at     time.Duration
}

// state is what a pod exports at a time.
type state struct {
	ready, database, cache string
	starting, away         bool
	rate                   float64 // requests a second
	errors, slow           float64 // shares of them
}

const (
	step   = 15 * time.Second // between two exports
	before = -10 * time.Minute
	after  = 25 * time.Minute

	stableHash, canaryHash = "primary-7d9f8", "5c6b7" // Flagger's pods, and so Argo's hashes
)

// stories are all of them. A person who sees what the pods export would decide in the same way.
func stories() []story {
	onCanary := func(from time.Duration, f func(*state)) func(*pod, *state) {
		return func(p *pod, s *state) {
			if p.canary && p.at >= from {
				f(s)
			}
		}
	}
	databaseDown := func(s *state) { s.database, s.ready, s.errors, s.rate = "fail", "fail", .5, 3 }
	onBoth := func(from, to time.Duration) func(*pod, *state) {
		return func(p *pod, s *state) {
			if p.at >= from && p.at < to {
				databaseDown(s)
			}
		}
	}
	const never = time.Hour
	return []story{
		{name: "a good canary", want: promoted},
		{name: "5 % of its requests fail", want: rolledBack, pod: onCanary(0, func(s *state) { s.errors = .05 })},
		{name: "5 % fail from 100 s on", want: rolledBack, pod: onCanary(100*time.Second, func(s *state) { s.errors = .05 })},
		{name: "20 % of its requests are slow", want: rolledBack, pod: onCanary(0, func(s *state) { s.slow = .2 })},
		{name: "it is not ready from 60 s on", want: rolledBack, pod: onCanary(time.Minute, func(s *state) { s.ready, s.rate = "fail", 0 })},
		{name: "one of its pods is not ready", want: rolledBack, pod: func(p *pod, s *state) {
			if p.canary && p.n == 0 && p.at >= time.Minute {
				s.ready, s.rate = "fail", 0
			}
		}},
		{name: "it crashes every 70 s", want: rolledBack, life: func(p *pod) (up, down time.Duration) { return 50 * time.Second, 20 * time.Second }},
		{name: "it can't reach its database", want: rolledBack, pod: onCanary(30*time.Second, func(s *state) { s.database, s.ready, s.errors = "fail", "fail", .5 })},
		{name: "it can't reach its cache, and warns", want: rolledBack, pod: onCanary(30*time.Second, func(s *state) { s.cache, s.ready = "fail", "warn" })},
		{name: "it never starts", want: held, pod: onCanary(0, func(s *state) { s.starting = true })},
		{name: "nothing is heard of it", want: held, pod: onCanary(0, func(s *state) { s.away = true })},
		{name: "no traffic", want: held, pod: func(_ *pod, s *state) { s.rate = 0 }},
		{name: "no traffic on the canary", want: held, pod: onCanary(0, func(s *state) { s.rate = 0 })},
		{name: "48 requests a minute", want: held, pod: func(_ *pod, s *state) { s.rate = .4 }},
		{name: "both lose the database before the rollout", want: held, pod: onBoth(-5*time.Minute, never)},
		{name: "both lose the database after 45 s", want: held, pod: onBoth(45*time.Second, never)},
		{name: "both lose the database for 45 s", want: promoted, pod: onBoth(time.Minute, 105*time.Second)},
		{name: "2 % of all requests fail", want: promoted, pod: func(_ *pod, s *state) { s.errors = .02 }},
		{name: "one stable pod is bad", want: promoted, pod: func(p *pod, s *state) {
			if !p.canary && p.n == 0 {
				s.database, s.ready, s.errors = "fail", "fail", .2
			}
		}},
		{name: "one stable pod is bad, and so is the canary", want: rolledBack, pod: func(p *pod, s *state) {
			if p.canary || p.n == 0 {
				s.database, s.ready, s.errors = "fail", "fail", .2
			}
		}},
		{name: "a good canary, metrics 60 s late", want: promoted, late: time.Minute},
		{name: "5 % fail, metrics 60 s late", want: rolledBack, late: time.Minute, pod: onCanary(0, func(s *state) { s.errors = .05 })},
		{name: "both lose the database, metrics 60 s late", want: held, late: time.Minute, pod: onBoth(45*time.Second, never)},
	}
}

// An exporter writes what a pod of a story exports.
type exporter struct {
	story
	job      string
	pod      *pod
	from     time.Duration
	chance   *rand.Rand
	total    counters
	lives    int
	up, down time.Duration
}

// pods are the exporters of a story.
func (s story) pods(job string, seed uint64) (list []*exporter) {
	for n := range 5 {
		p, from := &pod{name: "orders-" + stableHash + "-" + string(rune('a'+n)), n: n}, before
		if n >= 3 {
			p, from = &pod{name: "orders-" + canaryHash + "-" + string(rune('a'+n)), n: n - 3, canary: true}, 0
		}
		e := &exporter{story: s, job: job, pod: p, from: from, chance: rand.New(rand.NewPCG(seed, uint64(n)))}
		if p.canary && s.life != nil {
			e.up, e.down = s.life(p)
		}
		p.at = from + time.Duration(e.chance.Int64N(int64(step))).Truncate(time.Millisecond)
		list = append(list, e)
	}
	return list
}

// until goes on to a time. The canary has traffic only if some is routed to it.
func (e *exporter) until(w *writer, end time.Duration, routed bool) {
	for p := e.pod; p.at <= end; p.at += step {
		age := p.at - e.from
		if e.up > 0 {
			if n := int(age / (e.up + e.down)); n > e.lives {
				e.lives, e.total = n, counters{}
			}
			if age %= e.up + e.down; age > e.up {
				continue
			}
		}
		now := state{ready: "pass", database: "pass", cache: "pass", rate: 5, errors: .002, slow: .01, starting: p.canary && age < 20*time.Second}
		if e.story.pod != nil {
			e.story.pod(p, &now)
		}
		if now.away {
			continue
		}
		if now.starting {
			now.ready, now.rate = "fail", 0
		}
		if p.canary && !routed {
			now.rate = 0
		}
		for range poisson(e.chance, now.rate*step.Seconds()) {
			switch x := e.chance.Float64(); {
			case x < now.errors:
				e.total.failed++
			case x < now.errors+now.slow:
				e.total.slow++
			default:
				e.total.fast++
			}
		}
		e.total.up += step.Seconds()
		w.export(e.job, p, now, e.total)
	}
}

// poisson draws a number of events, by adding exponential gaps.
func poisson(chance *rand.Rand, mean float64) (n int) {
	for t := chance.ExpFloat64(); t < mean; t += chance.ExpFloat64() {
		n++
	}
	return n
}
