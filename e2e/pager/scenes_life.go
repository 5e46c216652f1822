package pager

import (
	"fmt"
	"time"
)

// lifeScenes are about pods that begin and end.
func lifeScenes() []scene {
	return []scene{
		{name: "rollout", what: "a rollout, a tenth at a time", build: rollout(time.Minute, 1)},
		{name: "rollout-five", what: "five rollouts in a row", build: rollout(30*time.Second, 5), until: 55 * time.Minute},
		{name: "rollout-slow", what: "a rollout in which each start takes four minutes", build: rollout(4*time.Minute, 1), until: 55 * time.Minute},
		{name: "rollout-minutely", what: "a rollout; exports are a minute apart", only: pushed, build: each(rollout(time.Minute, 1), minutely)},
		{name: "rollout-single", lone: true, what: "two rollouts of the only pod; exports are a minute apart, and one is missed", only: pushed,
			build: cutOff(each(func(w *world, _ int) { rollout(time.Minute, 2)(w, 1) }, minutely), half, half+time.Minute)},
		{name: "rollout-bad", what: "the new version's check fails on the first tenth, and the rollout hangs there", storm: true, build: func(w *world, n int) {
			w.pods = pods(n, orders, nil)
			for i := range max(1, n/10) {
				p := successor(orders, fmt.Sprintf("uid-v2-%03d.app", i), 0, time.Minute, i)
				p.behave = func(_ time.Duration, c *condition) { c.database = "fail" }
				w.pods = append(w.pods, p)
			}
		}},
		{name: "scale-down", what: "three of four pods are scaled away", build: end(func(i, _ int) bool { return i%4 != 0 }, 5*time.Minute)},
		{name: "scale-down-90", what: "nine of ten pods are scaled away", build: end(nine, 5*time.Minute), until: 75 * time.Minute},
		{name: "scale-to-zero", what: "all pods are scaled away", build: end(everybody, time.Minute), until: 75 * time.Minute},
		{name: "scale-down-unseen", what: "nine of ten pods are scaled away, and the drain is shorter than a scrape", only: scraped, until: 75 * time.Minute,
			build: each(end(nine, 5*time.Minute), hurried)},
		{name: "scale-to-zero-unseen", what: "all pods are scaled away, and the drain is shorter than a scrape", only: scraped, until: 75 * time.Minute,
			build: each(end(everybody, time.Minute), hurried)},
		{name: "killed-half", what: "half of the pods are killed", build: killed(func(i, _ int) bool { return i%2 == 0 }), until: 75 * time.Minute, storm: true},
		{name: "killed-most", what: "nine of ten pods are killed", build: killed(nine), until: 75 * time.Minute, storm: true},
		{name: "killed", silent: true, what: "all pods are killed", build: killed(everybody), until: 75 * time.Minute, storm: true},
		{name: "successor-killed", silent: true, what: "the last predecessor drains, and its successor is killed at the same time", until: 75 * time.Minute, build: func(w *world, _ int) {
			w.pods = pods(1, orders, nil)
			next := successor(orders, "uid-v2.app", 0, 20*time.Second, 7)
			w.pods[0].ending(80 * time.Second)
			next.dies(35 * time.Second)
			w.pods = append(w.pods, next)
		}},
		{name: "successor-killed-later", silent: true, until: 75 * time.Minute, what: "the last predecessor drains, and its successor is killed after ten minutes", build: func(w *world, _ int) {
			w.pods = pods(1, orders, nil)
			next := successor(orders, "uid-v2.app", 0, 20*time.Second, 7)
			w.pods[0].ending(80 * time.Second)
			next.dies(10 * time.Minute)
			w.pods = append(w.pods, next)
		}},
		{name: "starts-hang", naming: true, what: "nine of ten pods are replaced, and their successors hang in their start", storm: true, build: func(w *world, n int) {
			end(nine, time.Minute)(w, n)
			for i := range n {
				if nine(i, n) {
					w.pods = append(w.pods, successor(orders, fmt.Sprintf("uid-v2-%03d.app", i), time.Minute, forever, i))
				}
			}
		}},
	}
}
