package pager

import (
	"slices"
	"time"
)

// pipelineScenes happen between the pods and Prometheus.
func pipelineScenes() []scene {
	const ten = 10 * time.Minute
	offFor := func(d time.Duration, faster int) func(*world) {
		return func(w *world) { w.serverOff, w.catchUp = during(0, d), faster }
	}
	collectors := func(spells ...time.Duration) func(*world) { // from and to in turn
		return func(w *world) {
			w.early = warm - spells[0]
			w.collectorOff = func(at time.Duration, _ string) bool {
				for n := 0; n < len(spells); n += 2 {
					if at >= spells[n] && at < spells[n+1] {
						return true
					}
				}
				return false
			}
		}
	}
	return []scene{
		{name: "prometheus-away", what: "Prometheus is away for ten minutes", over: ten, build: then(two, offFor(ten, 0))},
		{name: "catch-up", what: "Prometheus is away for ten minutes, and then the collector sends its queue at four times the usual rate", over: ten, only: pushed, build: then(two, offFor(ten, 4))},
		{name: "catch-up-later", what: "Prometheus is away for 15 s more, and then the collector sends its queue at four times the usual rate", over: ten, only: pushed, build: then(two, offFor(ten+tick, 4))},
		{name: "catch-up-slow", what: "Prometheus is away for ten minutes, and then the collector sends its queue at twice the usual rate", over: ten, only: pushed, build: then(two, offFor(ten, 2))},
		{name: "catch-up-fast", what: "Prometheus is away for ten minutes, and then the collector sends its queue at eleven times the usual rate", over: ten, only: pushed, build: then(two, offFor(ten, 11))},
		{name: "catch-up-one", what: "Prometheus is away for ten minutes, with only one service, and then the collector sends its queue at four times the usual rate", over: ten, only: pushed, build: then(all(nil), offFor(ten, 4))},
		{name: "prometheus-away-rollout", what: "Prometheus is away for ten minutes in the middle of a rollout", over: 12 * time.Minute,
			build: then(rollout(time.Minute, 1), func(w *world) { w.serverOff = during(2*time.Minute, 12*time.Minute) })},

		{name: "collector-2min", what: "all collectors are away for two minutes, not the first time", over: 2 * time.Minute, storm: true, only: pushed,
			build: then(all(nil), collectors(-half, -half+time.Minute, 0, 2*time.Minute))},
		{name: "collector-5min", what: "all collectors are away for five minutes, not the first time", over: 5 * time.Minute, storm: true, only: pushed,
			build: then(all(nil), collectors(-half, -half+time.Minute, 0, 5*time.Minute))},
		{name: "collector", what: "all collectors are away for half an hour", over: half, storm: true, only: pushed, build: then(two, collectors(0, half))},
		{name: "collector-twice", what: "all collectors are away for two minutes, and later for ten", over: ten, only: pushed, build: then(two, collectors(-half, -half+2*time.Minute, 0, ten))},

		{name: "cut-off", what: "20 services are cut off from a live collector for 15 minutes", over: 15 * time.Minute, build: cutOff(services(20), 0, 15*time.Minute)},
		{name: "cut-off-most", what: "20 of 25 services are cut off", over: 15 * time.Minute, build: then(services(25), func(w *world) {
			cut(w.pods, func(p *pod) bool { return p.job < "shop/service-20" }, 0, 15*time.Minute)
		})},
		{name: "cut-off-one", what: "one of 20 services is cut off for 15 minutes", over: 15 * time.Minute, build: then(services(20), func(w *world) {
			cut(w.pods, func(p *pod) bool { return p.job == "shop/service-07" }, 0, 15*time.Minute)
		})},
		{name: "gap", silent: true, what: "no data of the only service arrives for ten minutes", over: ten, storm: true, build: cutOff(all(nil), 0, ten)},
		{name: "miss", what: "every pod misses one export; exports are a minute apart", only: pushed, build: cutOff(each(all(nil), minutely), 0, time.Minute)},
		{name: "deaf", what: "every pod fails to export its traces for half an hour", over: half, storm: true, build: func(w *world, n int) {
			w.pods = pods(n, orders, nil)
			for _, p := range w.pods {
				p.behave = func(at time.Duration, c *condition) {
					if at >= 0 && at < half && at%time.Minute == p.offset {
						p.counters["failed traces"]++
					}
				}
			}
		}},
		{name: "items-lost", what: "every pod makes more log records than its collector takes, for half an hour", over: half, storm: true, build: func(w *world, n int) {
			w.pods = pods(n, orders, nil)
			for _, p := range w.pods {
				p.behave = within(0, half, func(*condition) { p.counters["lost logs"] += 40 })
			}
		}},
		{name: "delta", what: "a service exports delta temporality, which Prometheus refuses", only: pushed, build: func(w *world, n int) {
			two(w, n)
			for _, p := range pods(3, "shop/delta", func(at time.Duration, c *condition) { c.refused = at >= 0 }) {
				p.id = "delta-" + p.id
				p.start = 0
				w.pods = append(w.pods, p)
			}
		}},

		{name: "others", what: "other teams export `queue_length` and an HTTP histogram: 2 % of its requests get 500, and a third is slow", build: func(w *world, n int) {
			w.pods = pods(n, orders, nil)
			for _, p := range pods(3, "team-b/java", func(_ time.Duration, c *condition) { c.errors, c.slow, c.idle, c.queue = .02, .3, true, 95 }) {
				p.id, p.noHealth = "java-"+p.id, true
				w.pods = append(w.pods, p)
			}
			w.foreign = []point{{"queue.length", []string{"job", "celery-exporter", "instance", "10.0.0.7:9808", "queue", "mail"}, 196, -1}}
		}},
		{name: "two-clusters", what: "two clusters have a service of the same name, and the database of one is down", over: half, only: pushed, clusters: true,
			build: func(w *world, n int) { inClusters(w, n, within(0, half, failing)) }},
		{name: "two-clusters-collector", what: "the collector of one of two clusters is away for half an hour, and in the other all pods are killed", over: half, only: pushed, clusters: true,
			build: func(w *world, n int) {
				inClusters(w, n, nil)
				w.collectorOff = func(at time.Duration, cluster string) bool { return cluster == "west" && during(0, half)(at) }
				for _, p := range w.pods {
					if p.cluster == "east" {
						p.dies(ten)
					}
				}
			}},
	}
}

// inClusters are two clusters. The given change affects only the one in the west.
func inClusters(w *world, n int, west func(time.Duration, *condition)) {
	w.pods = pods(n, orders, nil)
	for _, p := range w.pods {
		p.cluster = "east"
	}
	for _, p := range pods(n, orders, west) {
		p.cluster = "west"
		w.pods = append(w.pods, p)
	}
	w.clusters = []string{"east", "west"}
}

func scenes() (list []scene) {
	for _, s := range lifeScenes() {
		s.ends = true
		list = append(list, s)
	}
	list = slices.Concat(serviceScenes(), list, fleetScenes())
	for _, s := range pipelineScenes() {
		s.alone = s.alone || !slices.Contains([]string{"gap", "miss", "deaf", "items-lost"}, s.name)
		s.ends = true
		list = append(list, s)
	}
	return list
}
