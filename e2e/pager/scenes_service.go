package pager

import (
	"fmt"
	"time"
)

// serviceScenes happen to the pods.
func serviceScenes() []scene {
	everyOther := func(at time.Duration, c *condition) { // a minute on, a minute off
		if at >= 0 && at < 45*time.Minute && at%(2*time.Minute) < time.Minute {
			c.cache = "fail"
		}
	}
	shortly := func(at time.Duration, c *condition) { // each time by another check, so none flaps
		if at >= 0 && at < time.Hour && at%(2*time.Minute) < 45*time.Second {
			c.readiness = "fail"
		}
	}
	return []scene{
		{name: "none", what: "nothing", build: all(nil)},
		{name: "none-minutely", what: "nothing; exports are a minute apart", only: pushed, build: each(all(nil), minutely)},

		{name: "database", what: "the database refuses all pods for half an hour, and requests get 500", over: half, until: hours, storm: true,
			build: all(within(0, half, func(c *condition) { c.database, c.errors, c.rate = "fail", 1, .2 }))},
		{name: "database-hangs", naming: true, what: "the database hangs for all pods for half an hour", over: half, until: hours, storm: true, build: all(within(0, half, hanging))},
		{name: "database-unknown", what: "a core check has no evidence on any pod for 40 minutes", over: 40 * time.Minute, until: 2 * time.Hour, storm: true,
			build: all(within(0, 40*time.Minute, func(c *condition) { c.database = "unknown" }))},
		{name: "database-peers", what: "the database refuses all pods for half an hour, and `Config.Peers` keeps them ready", over: half, until: hours, storm: true,
			build: each(all(within(0, half, func(c *condition) { c.database, c.errors, c.rate = "fail", 1, .2 })), peers)},
		{name: "cache", what: "an auxiliary cache refuses all pods for half an hour", over: half, storm: true, build: all(within(0, half, func(c *condition) { c.cache = "fail" }))},
		{name: "cache-hangs", what: "the cache hangs for all pods for half an hour", over: half, storm: true, build: all(within(0, half, func(c *condition) { c.cache = "stale" }))},
		{name: "cache-flaps", what: "the cache fails and recovers again and again for all pods, for 45 minutes", over: 45 * time.Minute, storm: true, build: all(everyOther)},
		{name: "database-zone", naming: true, what: "the database refuses four of ten pods for half an hour", over: half, storm: true,
			build: some(func(i, _ int) bool { return i%5 < 2 }, within(0, half, failing))},

		{name: "one-bad", what: "one pod's check fails for four hours", over: 4 * time.Hour, storm: true, build: some(one, within(0, 4*time.Hour, failing))},
		{name: "one-unready", what: "one pod is not ready for an hour, and no check says why", over: time.Hour,
			build: some(one, within(0, time.Hour, func(c *condition) { c.database = "unknown" }))},
		{name: "one-errors", what: "one pod answers 500 to all requests for an hour", over: time.Hour, until: hours, build: some(one, within(0, time.Hour, func(c *condition) { c.errors = 1 }))},
		{name: "ready-flaps", what: "every pod is not ready for 45 s of every two minutes, for an hour", over: time.Hour, until: hours, build: all(shortly)},
		{name: "ready-flaps-peers", what: "a core check fails on every pod for 45 s of every two minutes, for an hour, and only `Config.Peers` keeps them ready", over: time.Hour, until: hours, build: each(all(shortly), peers)},
		{name: "errors", naming: true, what: "half of all requests get 500 for half an hour", over: half, until: 8 * time.Hour, build: all(within(0, half, func(c *condition) { c.errors = .5 }))},
		{name: "errors-slowly", what: "1.3 % of all requests get 500 for 200 minutes", over: 200 * time.Minute, until: 12 * time.Hour, build: all(within(0, 200*time.Minute, func(c *condition) { c.errors = .013 }))},
		{name: "slow", naming: true, what: "half of all requests are slow for half an hour", over: half, until: 8 * time.Hour, build: all(within(0, half, func(c *condition) { c.slow = .5 }))},
		{name: "errors-burst", what: "each pod answers 500 for 15 s, one after the other", build: func(w *world, n int) {
			w.pods = pods(n, orders, nil)
			for i, p := range w.pods {
				from := time.Duration(i%20) * tick
				p.behave = within(from, from+tick, func(c *condition) { c.errors = .8 })
			}
		}},
		{name: "crash-loop-errors", what: "a crash loop beside four pods: each new pod answers its first 70 requests with 500 and dies, for an hour", over: time.Hour, until: 8 * time.Hour,
			build: func(w *world, _ int) {
				w.pods = pods(4, orders, func(_ time.Duration, c *condition) { c.rate = 5 })
				for i := range 60 {
					p := successor(orders, fmt.Sprintf("uid-crash-%03d.app", i), time.Duration(i)*time.Minute, 2*time.Second, 0)
					p.behave = func(_ time.Duration, c *condition) { c.errors, c.rate = 1, 5 }
					p.offset = 14 * time.Second
					p.dies(p.start + 16*time.Second)
					w.pods = append(w.pods, p)
				}
			}},
		{name: "hung", naming: true, what: "requests hang on every pod for half an hour", over: half, storm: true, build: all(func(at time.Duration, c *condition) {
			if at >= 0 && at < half {
				c.hung = at
			}
		})},
		{name: "queue-stands", naming: true, what: "nothing is taken from the queue of any pod for half an hour", over: half, storm: true,
			build: all(within(0, half, func(c *condition) { c.idle, c.queue = true, 40 }))},
		{name: "queue-one", what: "nothing is taken from the queue of one pod for half an hour", over: half,
			build: some(one, within(0, half, func(c *condition) { c.idle, c.queue = true, 40 }))},

		{name: "maintenance", what: "all pods are in maintenance for an hour, while the database is down", over: time.Hour, storm: true,
			build: all(within(0, time.Hour, func(c *condition) { c.life, c.database = "maintenance", "fail" }))},
		{name: "maintenance-long", what: "all pods are in maintenance for five hours", over: 5 * time.Hour, storm: true, build: all(within(0, 5*time.Hour, func(c *condition) { c.life = "maintenance" }))},
		{name: "maintenance-one", what: "one pod is in maintenance for an hour, while its database is down", over: time.Hour,
			build: some(one, within(0, time.Hour, func(c *condition) { c.life, c.database = "maintenance", "fail" }))},
		{name: "override", what: "an operator's override is left on for 65 minutes", over: 65 * time.Minute, storm: true, build: all(within(0, 65*time.Minute, func(c *condition) { c.override = true }))},
	}
}
