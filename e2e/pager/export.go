package pager

import (
	"math"
	"time"
)

// A point is a value of a series, by OpenTelemetry's names.
type point struct {
	name  string
	attrs []string // names and values in turn
	value float64
	slow  float64 // of a histogram: value is the number of all, slow that of those over 0.5 s
}

var lives = []string{"starting", "running", "maintenance", "draining"}

// export returns everything that the rules read of a pod.
func (p *pod) export(now time.Duration) (out []point, c condition) {
	if p.counters == nil {
		p.counters, p.before, p.last = map[string]float64{}, map[string]string{}, p.start
		if lived := (now - p.start).Seconds(); lived > 3600 { // before the scene it was well
			p.counters["probe pass"], p.counters["200"], p.counters["taken"], p.last = lived, 5*lived, 5*lived, now
		}
	}
	passed := max(0, (now - p.last).Seconds())
	p.last = now
	c = p.at(now)
	put := func(value float64, name string, attrs ...string) { out = append(out, point{name, attrs, value, -1}) }
	if !p.noHealth {
		p.health(c, now, passed, put)
	}
	out = append(out, p.requests(c, passed)...)
	put(c.hung.Seconds(), "http.server.oldest_request.age")
	put(c.queue, "queue.length", "queue.name", "jobs")
	put(100, "queue.capacity", "queue.name", "jobs")
	if !c.idle {
		p.counters["taken"] += passed * 5
	}
	out = append(out, point{"queue.wait.duration", []string{"queue.name", "jobs"}, math.Floor(p.counters["taken"]), 0})
	for _, signal := range []string{"metrics", "traces", "logs"} {
		if failed, ok := p.counters["failed "+signal]; ok {
			put(failed, "telemetry.export.failures", "telemetry.signal", signal, "error.type", "Unavailable")
		}
		if lost, ok := p.counters["lost "+signal]; ok {
			put(lost, "telemetry.items.lost", "telemetry.signal", signal, "error.type", "queue_full")
		}
	}
	put(float64(epoch.Add(now).Unix())-15, "telemetry.export.last_success.timestamp", "telemetry.signal", "metrics")
	put(1, "target_info", "service.version", p.version, "k8s.pod.name", p.name, "k8s.namespace.name", "shop", "k8s.node.name", "node-1")
	return out, c
}

func is(a, b string) float64 {
	if a == b {
		return 1
	}
	return 0
}

func (p *pod) health(c condition, now time.Duration, passed float64, put func(float64, string, ...string)) {
	for _, state := range []string{"pass", "warn", "fail"} {
		put(is(c.readiness, state), "health.probe.status", "health.probe.name", "readiness", "health.probe.state", state)
		p.counters["probe "+state] += passed * is(c.readiness, state)
		put(p.counters["probe "+state], "health.probe.state.duration", "health.probe.name", "readiness", "health.probe.state", state)
	}
	if p.peers {
		value := 0.
		if c.stays {
			value = 1
		}
		p.counters["stay"] += passed * value
		put(value, "health.panic")
		put(p.counters["stay"], "health.peers.stay.duration")
	}
	for _, life := range lives {
		put(is(c.life, life), "health.lifecycle.status", "health.lifecycle.state", life)
	}
	for _, check := range []struct{ name, role, state string }{{"database", "core", c.database}, {"cache", "auxiliary", c.cache}} {
		const name = "health.check.name"
		if before, ok := p.before[check.name]; ok && before != check.state {
			p.counters[check.name+check.state]++
		}
		p.before[check.name] = check.state
		for _, state := range []string{"pass", "warn", "fail", "unknown", "stale"} {
			put(is(check.state, state), "health.check.status", name, check.name, "health.check.state", state)
			if n, ok := p.counters[check.name+state]; ok {
				put(n, "health.check.transitions", name, check.name, "health.check.state", state)
			}
		}
		put(1, "health.check.info", name, check.name, "health.check.role", check.role)
		if ran := "ran " + check.name; check.state != "stale" || p.counters[ran] == 0 {
			p.counters[ran] = float64(epoch.Add(now).Unix())
		}
		put(p.counters["ran "+check.name], "health.check.last_run.timestamp", name, check.name)
		put(10, "health.check.interval", name, check.name)
		put(2, "health.check.timeout", name, check.name)
	}
	if c.override {
		put(1, "health.check.override", "health.check.name", "cache", "health.check.effect", "show")
	}
}

// requests are counted while the pod serves. A status has no series before its first request.
func (p *pod) requests(c condition, passed float64) (out []point) {
	if c.life == "running" || c.life == "draining" {
		p.counters["200"] += passed * c.rate * (1 - c.errors)
		p.counters["500"] += passed * c.rate * c.errors
		p.counters["slow"] += passed * c.rate * c.slow
	}
	for _, code := range []string{"200", "500"} {
		n, slow := math.Floor(p.counters[code]), 0.
		if code == "200" {
			slow = min(n, math.Floor(p.counters["slow"]))
		}
		if n > 0 {
			out = append(out, point{"http.server.request.duration",
				[]string{"http.request.method", "POST", "http.response.status_code", code, "http.route", "/jobs"}, n, slow})
		}
	}
	return out
}

// fails counts a failed export.
func (p *pod) fails() {
	for _, signal := range []string{"metrics", "traces", "logs"} {
		p.counters["failed "+signal]++
	}
}
