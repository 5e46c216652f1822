package pager

import (
	"fmt"
	"time"
)

// A scene is something that happens to a service, or to its way to Prometheus.
type scene struct {
	name, what string
	over       time.Duration // when its cause ends; 0: it lasts, or nothing happens
	until      time.Duration // how long to listen; 0: half an hour after the event, or 45 min after over
	storm      bool          // tried with more pods, too
	only       way           // pushed or scraped; if empty: both
	clusters   bool          // only with rules that separate clusters
	naming     bool          // tried with every naming
	quiet      []string      // nothing may be heard of these jobs
	services   int           // how many services are affected, if more than one
	alone      bool          // not in a pack with other scenes, because it is about all services
	silent     bool          // its service falls silent; three of these at once raise another alert
	lone       bool          // a bad pod beside it would be half of the fleet
	ends       bool          // the way of the data matters, because pods end or are cut off
	build      func(w *world, n int)
}

type way string

const (
	pushed  way = "pushed"
	scraped way = "scraped"
)

const orders = "shop/orders"

// all affects every pod. Half as many pods are enough, because they are all alike.
func all(behave func(time.Duration, *condition)) func(*world, int) {
	return func(w *world, n int) { w.pods = pods(n/2, orders, behave) }
}

// some affects only the chosen pods.
func some(chosen func(i, n int) bool, behave func(time.Duration, *condition)) func(*world, int) {
	return func(w *world, n int) {
		w.pods = pods(n, orders, nil)
		for i, p := range w.pods {
			if chosen(i, n) {
				p.behave = behave
			}
		}
	}
}

func one(i, n int) bool { return i == n/2 }

// end lets the chosen pods end in order, spread over a time.
func end(chosen func(i, n int) bool, spread time.Duration) func(*world, int) {
	return func(w *world, n int) {
		w.pods = pods(n, orders, nil)
		for i, p := range w.pods {
			if chosen(i, n) {
				p.ending(time.Duration(i*37%n) * spread / time.Duration(n))
			}
		}
	}
}

// killed kills the chosen pods, and nothing replaces them.
func killed(chosen func(i, n int) bool) func(*world, int) {
	return func(w *world, n int) {
		w.pods = pods(n, orders, nil)
		for i, p := range w.pods {
			if chosen(i, n) {
				p.dies(time.Duration(i%15) * time.Second)
			}
		}
	}
}

// rollout replaces all pods, a tenth at a time, some times in a row.
func rollout(starting time.Duration, times int) func(*world, int) {
	return func(w *world, n int) {
		old := pods(n, orders, nil)
		w.pods = old
		at := time.Duration(0)
		for v := range times {
			var next []*pod
			for i := 0; i < n; i += max(1, n/10) {
				for j := i; j < min(n, i+max(1, n/10)); j++ {
					next = append(next, successor(orders, fmt.Sprintf("uid-v%d-%03d.app", v+2, j), at, starting, j))
					old[j].ending(at + starting + 35*time.Second)
				}
				at += starting + 10*time.Second
			}
			w.pods = append(w.pods, next...)
			old = next
			at += 2 * time.Minute
		}
	}
}

// each changes every pod of a scene.
func each(build func(*world, int), change func(*pod)) func(*world, int) {
	return func(w *world, n int) {
		build(w, n)
		for _, p := range w.pods {
			change(p)
		}
	}
}

// cut drops the data of some pods between two times.
func cut(pods []*pod, chosen func(*pod) bool, from, to time.Duration) {
	for _, p := range pods {
		if chosen(p) {
			p.cut = during(from, to)
		}
	}
}

// cutOff drops all data of a scene's pods.
func cutOff(build func(*world, int), from, to time.Duration) func(*world, int) {
	return each(build, func(p *pod) { p.cut = during(from, to) })
}

func minutely(p *pod) { p.minutely = true }
func peers(p *pod)    { p.peers = true }
func hurried(p *pod)  { p.drain = 10 * time.Second }

// services are many services with two pods each. The first has four, so that one bad pod beside them raises no
// page.
func services(n int, more ...func(*world)) func(*world, int) {
	return func(w *world, _ int) {
		for i := range n {
			size := 2
			if i == 0 {
				size = 4
			}
			for j, p := range pods(size, fmt.Sprintf("shop/service-%02d", i), nil) {
				p.id = fmt.Sprintf("uid-%02d-%d.app", i, j)
				w.pods = append(w.pods, p)
			}
		}
		for _, f := range more {
			f(w)
		}
	}
}

// then changes the world of a scene.
func then(build func(*world, int), change func(*world)) func(*world, int) {
	return func(w *world, n int) { build(w, n); change(w) }
}

// two services, the second with three pods.
func two(w *world, n int) {
	w.pods = pods(n/2, orders, nil)
	for i, p := range pods(3, "shop/pay", nil) {
		p.id = fmt.Sprintf("uid-pay-%d.app", i)
		w.pods = append(w.pods, p)
	}
}

func everybody(int, int) bool { return true }
func nine(i, _ int) bool      { return i%10 != 0 }

const (
	half  = 30 * time.Minute
	hours = 6 * time.Hour
)

func failing(c *condition) { c.database = "fail" }
func hanging(c *condition) { c.database = "stale" }
