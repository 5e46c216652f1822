package main

import "math"

const (
	requestSeconds = "http_server_request_duration_seconds"
	waitSeconds    = "queue_wait_duration_seconds"
)

var serviceFigures = map[string]wanted{
	"1 A": {count: func(l look) rows {
		worst, serving := -1.0, -1.0
		for _, f := range stateNow(l) {
			worst = max(worst, f.hi)
			if f.hi <= 5 {
				serving = max(serving, f.hi)
			}
		}
		if serving > 0 {
			return one(serving)
		}
		return one(worst)
	}},
	"2 A": {count: ofHeard(readyNow)},
	"2 B": {count: ofHeard(func(l look) float64 { return float64(len(l.serving())) })},
	"2 C": {count: expectedNow},
	"3 A": {count: func(l look) rows {
		if len(l.heard(fresh)) == 0 {
			return one(-1)
		}
		return one(1) // no pod of a scene fails liveness
	}},
	"4 A": {count: func(l look) rows {
		r := rows{}
		for _, w := range l.heard(fresh) {
			for _, s := range lives {
				r.add(of("health_lifecycle_state", s), exactly(is(w.life, s)))
			}
		}
		return r
	}},
	"5 A": {count: ofHeard(func(l look) (n float64) {
		for _, w := range l.heard(fresh) {
			overridden := map[string]bool{}
			for _, c := range w.f.columns["health_check_override"] {
				if v, ok := c.at(w.f, l.at, fresh); ok && v == 1 {
					overridden[c.labels["health_check_name"]] = true
				}
			}
			n += float64(len(overridden))
		}
		return n
	})},
	"10 A": {count: func(l look) rows {
		r := rows{}
		for row, pods := range whys(l.heard(fresh)) {
			r[row.key()] = exactly(float64(len(pods)))
		}
		for job, n := range l.silentJobs() {
			r[of("job", job, "health_check_state", "no telemetry")] = exactly(n)
		}
		if len(r) == 0 {
			for _, w := range l.heard(fresh) {
				r.add(of("job", w.f.job, "health_check_state", "every check passes"), exactly(1))
			}
		}
		return r
	}},
	"10 B": {count: func(l look) rows {
		r := rows{}
		l.seen = l.allOf(l.jobs)
		n := map[string]float64{}
		for _, w := range l.heard(fresh) {
			n[w.f.job]++
		}
		for row, pods := range whys(l.heard(fresh)) {
			r[row.key()] = exactly(float64(len(pods)) / n[row.job])
		}
		return r
	}},
	"10 C": {count: func(l look) rows {
		r := rows{}
		for row, pods := range whys(l.heard(fresh)) {
			for _, w := range pods {
				if at := w.f.checks[row.check].last[w.n]; at > 0 {
					r.lower(row.key(), 1000*float64(at))
				}
			}
		}
		for job := range l.silentJobs() {
			for _, w := range l.silent() {
				if w.f.job == job {
					r.raise(of("job", job, "health_check_state", "no telemetry"), float64(w.f.times[w.n]))
				}
			}
		}
		return r
	}},
	"11 A": {count: func(l look) rows {
		r := rows{}
		for _, f := range l.seen {
			from, to := f.within(l.at, l.rate)
			if from == to && l.wasHeard(f) {
				for _, check := range checkNames {
					r.raise(of("health_check_name", check), -1)
				}
			}
			for _, c := range f.conds[from:to] {
				for check, state := range checksOf(c) {
					r.raise(of("health_check_name", check), checkState[state])
				}
			}
		}
		return r
	}},
	"12 A": {
		count: func(l look) rows {
			r := rows{}
			for _, f := range l.seen {
				from, to := f.within(l.at, l.rate)
				key := of("job", f.job, "instance", f.instance, "who", f.p.name)
				switch {
				case from < to:
					r[key] = exactly(windowState(f, from, to))
				case l.wasHeard(f):
					r[key] = exactly(-1)
				}
			}
			return r
		},
		top: 20,
		rank: func(l look) rows { // by how long each was not ready
			r := rows{}
			for _, f := range l.seen {
				from, to := f.within(l.end, l.span)
				n := 0.0
				for _, c := range f.conds[from:to] {
					n += is(c.ready(), "fail")
				}
				if from < to {
					r[of("job", f.job, "instance", f.instance, "who", f.p.name)] = exactly(n)
				}
			}
			return r
		}},
	"13 A": {count: func(l look) rows {
		r := rows{}
		put := func(w word, state float64) {
			r[of("job", w.f.job, "instance", w.f.instance, "k8s_pod_name", w.f.p.name, "service_version", w.f.p.version,
				"k8s_node_name", "node-"+string(rune('a'+hash(w.f.p.name)%5)))] = exactly(state)
		}
		for _, w := range l.heard(fresh) {
			put(w, w.state())
		}
		for _, w := range l.silent() {
			put(w, 9)
		}
		return r
	}},
	"13 B": {count: func(l look) rows {
		r := rows{}
		for _, w := range l.heard(fresh) {
			r[of("job", w.f.job, "instance", w.f.instance)] = exactly(float64(w.f.times[w.n]-w.f.p.start.UnixMilli()) / 1000)
		}
		return r
	}},
	"13 C": {count: func(l look) rows {
		r := rows{}
		for _, w := range append(l.heard(fresh), l.silent()...) {
			r[of("job", w.f.job, "instance", w.f.instance)] = exactly(float64(l.at-w.f.times[w.n]) / 1000)
		}
		return r
	}},
	"14 A": {count: func(l look) rows {
		r := rows{}
		columnsOf(l.seen, "health_peers", func(f *life, c *column) {
			if c.labels["health_peer_vote"] == "abstains" {
				return
			}
			from, to := f.within(l.at, fresh)
			for n := min(to, len(c.values)) - 1; n >= from; n-- { // votes end with the failure
				if v := c.values[n]; !math.IsNaN(v) {
					r.add(keyOf(f, c, []string{"health_check_name", "health_peer_vote"}), exactly(v))
					return
				}
			}
		})
		return r
	}},
	"15 A": {count: func(l look) rows {
		r := rows{}
		columnsOf(l.seen, "health_probe_shadow_status", func(f *life, c *column) {
			if c.labels["health_probe_state"] != "fail" {
				return
			}
			from, to := f.within(l.at, fresh)
			for n := min(to, len(c.values)) - 1; n >= from; n-- {
				if v := c.values[n]; !math.IsNaN(v) {
					r.add(of(), exactly(v))
					return
				}
			}
		})
		return r
	}},
	"20 A": {count: rateOf(requestSeconds+"_count", "http_response_status_code")},
	"21 A": {count: errorShares()},
	"22 A": {count: total("http_server_active_requests")},
	"22 B": {count: greatest("http_server_oldest_request_age_seconds")},
	"23 A": {count: quantileOf(.5, requestSeconds)},
	"23 B": {count: quantileOf(.95, requestSeconds)},
	"23 C": {count: quantileOf(.99, requestSeconds)},
	"23 D": {count: func(l look) rows {
		r := rows{}
		if limit, ok := limitOf("latency"); ok && len(l.heard(lookback)) > 0 {
			r[of("health_check_name", "latency", "health_check_limit_type", "max.fail")] = exactly(limit)
		}
		return r
	}},
	"23 E": {count: func(l look) rows {
		r := rows{}
		for _, w := range l.heard(lookback) {
			r.raise(of("health_check_name", "latency"), w.judged("latency"))
		}
		return r
	}},
	"24 A": {count: rateOf(requestSeconds+"_bucket", "le")},
	"25 A": {count: func(l look) rows {
		r := rows{}
		for _, w := range l.heard(lookback) {
			for _, check := range checkNames {
				if limit, ok := limitOf(check); ok {
					r.raise(of("health_check_name", check), w.judged(check)/limit)
				}
			}
		}
		return r
	}},
	"30 A": {count: func(l look) rows {
		r := rows{}
		for _, w := range l.heard(lookback) {
			r.raise(of("queue_name", "jobs"), w.length/100)
		}
		return r
	}},
	"31 A": {count: func(l look) rows {
		r := rows{}
		for _, w := range l.heard(lookback) {
			r.raise(of("queue_name", "jobs"), w.length)
		}
		return r
	}},
	"31 B": {count: func(l look) rows {
		r := rows{}
		columnsOf(l.seen, "queue_length", func(f *life, c *column) {
			if value, slope, ok := c.line(f, l.at, 3*lookback); ok {
				r.raise(of("queue_name", "jobs"), math.Max(0, value+1800*slope))
			}
		})
		return r
	}},
	"31 C": {count: least("queue_capacity", "queue_name")},
	"32 A": {count: func(l look) rows {
		r := rows{}
		columnsOf(l.seen, "queue_length", func(f *life, c *column) {
			n := f.last(l.at, lookback)
			if _, slope, ok := c.line(f, l.at, 3*lookback); ok && n >= 0 {
				full := 86400.0
				if slope > 0 {
					full = math.Min(full, (100-f.conds[n].length)/slope)
				}
				r.lower(of("queue_name", "jobs"), math.Max(1, full))
			}
		})
		return r
	}},
	"33 A": {count: quantileOf(.5, waitSeconds, "queue_name")},
	"33 B": {count: quantileOf(.99, waitSeconds, "queue_name")},
	"34 A": {count: rateOf(waitSeconds+"_count", "queue_name")},
	"40 A": {count: greatest("go_memory_used_bytes", "go_memory_type")},
	"40 B": {count: greatest("go_memory_gc_goal_bytes")},
	"41 A": {count: greatest("go_goroutine_count")},
	"41 B": {count: across("average", total("go_goroutine_count", eachPod...))},
	"41 C": {count: least("go_goroutine_count")},
	"42 A": {count: across("most", rateOf("go_memory_allocated_bytes_total", eachPod...))},
	"42 B": {count: across("average", rateOf("go_memory_allocated_bytes_total", eachPod...))},
	"42 C": {count: across("fewest", rateOf("go_memory_allocated_bytes_total", eachPod...))},
	"43 A": {count: rateOf("health_heartbeat_beats_total", "health_heartbeat_name")},
	"43 B": {count: total("health_heartbeat_active", "health_heartbeat_name")},
	"44 A": {count: rateOf("health_probe_requests_total", "health_probe_name", "http_response_status_code")},
	"50 A": {why: traces},
	"51 A": {why: traces},
}
