package healthcheck_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// dice are the random choices of one sequence.
type dice struct{ *rand.Rand }

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// newPlan returns the sequence of a seed.
func newPlan(seed uint64) plan {
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	p := plan{conf: newConf(d)}
	names := p.conf.names()
	for n := 10 + d.IntN(25); n > 0; n-- {
		p.ops = append(p.ops, newOp(d, p.conf, names))
	}
	return p
}

func newConf(d dice) conf {
	c := conf{stall: time.Duration(1+d.IntN(8))*time.Second + 250*time.Millisecond, held: d.chance(30),
		failures: pick(d, 0, 0, 2), successes: pick(d, 0, 0, 1)}
	for n := range 1 + d.IntN(2) {
		a := active{effect: pick(d, append(effects, "")...), interval: time.Duration(1+d.IntN(6)) * time.Second,
			failures: d.IntN(4), successes: d.IntN(4), start: pick(d, "ok", "ok", "warn", "error", "panic", "obey")}
		for try := 0; ; try++ { // find a name whose runs begin at a scheduled time
			a.name = fmt.Sprintf("active%d.%d", n, try)
			if f := a.phase() % time.Second; f >= 500*time.Millisecond && f <= 640*time.Millisecond {
				break
			}
		}
		c.actives = append(c.actives, a)
	}
	kinds := []string{"last", "last", "gauge", "gauge", "each", "level", "age", "share", "missing", "increase", "traffic", "count", "over", "over",
		"quantile", "quantile", "ratio", "flow", "flow", "inflight"}
	d.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	if d.chance(80) { // because it fails readiness for the whole sequence
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "missing" })
	}
	for n, kind := range kinds[:d.IntN(7)] {
		c.rules = append(c.rules, newRuled(d, fmt.Sprintf("%s%d", kind, n), kind))
	}
	return c
}

func newRuled(d dice, name, kind string) ruled {
	// The end must be between two scheduled times, because a judgement at .00 may come before the
	// collection or, at .01, after it.
	lasting := func() time.Duration {
		if n := pick(d, 0, 0, 1, 2, 3, 7); n > 0 {
			return time.Duration(n)*time.Second + 20*time.Millisecond
		}
		return 0
	}
	r := ruled{name: name, kind: kind, effect: pick(d, append(effects, "")...), unit: pick(d, units...), wait: lasting(), keep: lasting(),
		quantile: pick(d, .5, .9, .99), bound: pick(d, .1, .3, .5), limits: limits{nan, nan, nan, nan}}
	if r.looksBack() {
		r.effect = pick(d, "warn", "show", "") // others eject, which another test covers
		r.window = d.IntN(31)
		if kind == "over" || kind == "quantile" || kind == "ratio" {
			r.minEvents = d.IntN(12)
		}
	}
	all := limits{20, 40, 60, 80}
	switch kind {
	case "age":
		all = limits{3, 9, 3, 9}
	case "share":
		all = limits{.2, .4, .6, .8}
	case "inflight":
		all = limits{-20, 0, 10, 30}
	case "flow":
		all = limits{nan, nan, 10, 30}
	case "increase":
		all = limits{2, 7, 2, 7}
	case "traffic", "count":
		all = limits{3, 9, 10, 30}
	case "over", "ratio":
		all = limits{.1, .5, .1, .5}
	case "quantile":
		all = limits{nan, nan, .1, pick(d, .3, .5)}
	}
	warn, fail := 2, 3
	if kind != "quantile" && kind != "flow" && d.chance(35) {
		warn, fail = 1, 0
	}
	which := d.IntN(3) // one of them, or both
	if which != 0 {
		r.limits[warn] = all[warn]
	}
	if which != 1 {
		r.limits[fail] = all[fail]
	}
	return r
}

// phase is the first pause of a passing check. It is the same at every start, and differs by
// instance and check.
func (a active) phase() time.Duration {
	h := fnv.New32a()
	h.Write([]byte("a\x00" + a.name)) // the instance is called a
	return time.Duration(float64(a.interval) * (.5 + .5*float64(h.Sum32())/(1<<32)))
}

func (c conf) names() (names []string) {
	for _, a := range c.actives {
		names = append(names, a.name)
	}
	for _, r := range c.rules {
		names = append(names, r.name)
	}
	return append(names, "worker")
}

func newOp(d dice, c conf, names []string) op {
	o := op{wait: pick(d, 0, 0, 0, 0, 0, 1, 1, 2, 3, 8), n: d.IntN(4)}
	if d.chance(2) {
		o.wait = 20 + d.IntN(40)
	}
	verbs := map[string]int{"behave": 16, "level": 6, "release": 4, "queue": 14, "gauge": 10, "stamp": 4, "flow": 16, "inflight": 5, "record": 20, "busy": 3, "beat": 3,
		"idle": 3, "hold": 2, "unhold": 4, "maintain": 2, "lift": 2, "maintenance": 2, "effects": 4, "failing": 2, "collecting": 5}
	var all []string
	for _, v := range []string{"behave", "release", "queue", "gauge", "level", "stamp", "flow", "inflight", "record", "busy", "beat", "idle", "hold", "unhold",
		"maintain", "lift", "maintenance", "effects", "failing", "collecting"} {
		all = append(all, slices.Repeat([]string{v}, verbs[v])...)
	}
	o.verb = pick(d, all...)
	switch o.verb {
	case "behave":
		o.n, o.text = d.IntN(len(c.actives)), pick(d, "ok", "ok", "ok", "warn", "error", "error", "panic", "hang", "obey", "slow")
	case "release":
		o.n = d.IntN(len(c.actives))
	case "queue":
		o.value = pick(d, 0, 0, 10, 20, 40, 59, 60, 61, 79, 80, 81, 99, nan) // NaN means a panic
	case "gauge":
		o.value, o.text = pick(d, 0, 19, 20, 21, 39, 40, 50, 60, 61, 80, 81, nan), pick(d, "", "", "", "", "absent")
	case "level":
		o.value = pick(d, 0, 19, 20, 40, 50, 61, 80, 81, nan)
	case "flow":
		o.value, o.text = float64(d.IntN(25)), pick(d, "grow", "grow", "grow", "begin", "begin", "end")
	case "inflight":
		o.value = float64(d.IntN(40) - 15)
	case "record":
		o.n, o.value = 1+d.IntN(12), float64(d.IntN(len(latencies)))
	case "maintain":
		o.n = d.IntN(12)
	case "maintenance":
		o.n, o.text = d.IntN(12), pick(d, "until", "until", "", "bad")
	case "effects":
		var lines []string
		o.effects = map[string]string{}
		for _, name := range append(names, "*") {
			if d.chance(25) {
				o.effects[name] = pick(d, effects[:3]...) // operators can't ask for a restart
				lines = append(lines, name+" = "+o.effects[name])
			}
		}
		if d.chance(20) {
			lines = append(lines, "nobody=warn") // a check of another release
		}
		if d.chance(20) {
			lines = append(lines, pick(d, "what", names[0]+"=maybe", "nobody=restart")) // invalid, and the others count
		}
		o.text = strings.Join(lines, pick(d, "\n", ","))
	}
	if d.chance(1) {
		o.verb = "drain"
	}
	return o
}
