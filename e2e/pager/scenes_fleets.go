package pager

import (
	"fmt"
	"time"
)

// fleetScenes are about fleets of other sizes, and about names.
func fleetScenes() []scene {
	return []scene{
		{name: "single", lone: true, what: "the database refuses the only pod for half an hour", over: half, build: func(w *world, _ int) { w.pods = pods(1, orders, within(0, half, failing)) }},
		{name: "shared", alone: true, what: "two services share a database, and it refuses both for half an hour", over: half, services: 2, build: func(w *world, n int) {
			two(w, n)
			for _, p := range w.pods {
				p.behave = within(0, half, failing)
			}
		}},
		{name: "prefix", alone: true, ends: true, what: "all pods of `orders` are killed, beside `shop/orders` and `orders-v2`", quiet: []string{"shop/orders", "orders-v2"}, build: func(w *world, _ int) {
			for n, job := range []string{"orders", "shop/orders", "orders-v2"} {
				for i, p := range pods(3, job, nil) {
					if p.id = fmt.Sprintf("uid-%d-%d.app", n, i); n == 0 {
						p.dies(time.Duration(i) * time.Second)
					}
					w.pods = append(w.pods, p)
				}
			}
		}},
		{name: "quoted", alone: true, what: "a service is called `shop/o\"r\\d{e}rs (v2)`, and the database refuses one of its pods for half an hour", over: half, build: func(w *world, n int) {
			w.pods = pods(n, `shop/o"r\d{e}rs (v2)`, nil)
			w.pods[3].behave = within(0, half, failing)
		}},
		{name: "canary", what: "the only pod of a new version, beside ten, answers 500 to all requests for half an hour", over: half, build: func(w *world, n int) {
			w.pods = pods(n, orders, nil)
			p := successor(orders, "uid-v2-000.app", 0, 30*time.Second, 7)
			p.behave = within(0, half, func(c *condition) { c.errors = 1 })
			w.pods = append(w.pods, p)
		}},
		{name: "gap-one", ends: true, what: "no data of one pod arrives for ten minutes", over: 10 * time.Minute, build: func(w *world, n int) {
			w.pods = pods(n, orders, nil)
			cut(w.pods, func(p *pod) bool { return p == w.pods[1] }, 0, 10*time.Minute)
		}},
		{name: "restart", what: "each process is started again in its place, one after the other", build: func(w *world, n int) {
			w.pods = pods(n, orders, nil)
			for i, p := range w.pods {
				from, done := time.Duration(i)*time.Minute, false
				p.behave = func(at time.Duration, c *condition) {
					if at >= from && at < from+20*time.Second {
						if c.life = "starting"; !done { // counters begin again
							p.counters, p.before, done = map[string]float64{}, map[string]string{}, true
						}
					}
				}
			}
		}},
		{name: "scale-up", what: "three times as many pods as before start at once", build: func(w *world, n int) {
			w.pods = pods(n/2, orders, nil)
			for i := range n {
				w.pods = append(w.pods, successor(orders, fmt.Sprintf("uid-v2-%03d.app", i), 0, time.Minute, i))
			}
		}},
		{name: "node-lost", ends: true, what: "two of ten pods are killed with their node, and replaced after two minutes", until: 75 * time.Minute, build: func(w *world, n int) {
			killed(func(i, n int) bool { return i%5 == 0 })(w, n)
			for i := range n / 5 {
				w.pods = append(w.pods, successor(orders, fmt.Sprintf("uid-v2-%03d.app", i), 2*time.Minute, 30*time.Second, i))
			}
		}},
	}
}
