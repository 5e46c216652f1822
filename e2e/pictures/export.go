package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// put takes a sample: a name, labels as name and value in turn, and a value.
type put func(value float64, name string, labels ...string)

var (
	states   = []string{"pass", "warn", "fail", "unknown", "stale"}
	lives    = []string{"starting", "running", "maintenance", "draining"}
	requests = []string{"0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5", "5.0", "7.5", "10.0", "+Inf"}
	runs     = []string{"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.0", "5.0", "+Inf"}
)

func is(a, b string) float64 {
	if a == b {
		return 1
	}
	return 0
}

// begin sets the counters of a pod that has run for days.
func (p *pod) begin(t time.Time) {
	p.counters, p.before, p.changed, p.series = map[string]float64{}, map[string]string{}, map[string]time.Time{}, map[string]*series{}
	p.last = p.start
	if lived := t.Sub(p.start).Seconds(); lived > 3600 {
		p.counters["readiness pass"], p.counters["liveness pass"], p.last = lived, lived, t
	}
}

// export puts what the pod exports at t.
func (p *pod) export(t time.Time, put put) {
	if p.counters == nil {
		p.begin(t)
	}
	passed := max(0, t.Sub(p.last).Seconds())
	p.last = t
	c := p.at(t)
	p.probes(c, passed, put)
	p.checks(c, t, passed, put)
	p.traffic(c, t, passed, put)
	p.process(t, passed, put)
	put(1, "target_info", "service_version", p.version, "k8s_pod_name", p.name, "k8s_node_name", fmt.Sprintf("node-%c", 'a'+rune(hash(p.name)%5)))
}

func (p *pod) probes(c condition, passed float64, put put) {
	for probe, state := range map[string]string{"readiness": c.ready(), "liveness": "pass", "startup": map[bool]string{true: "fail", false: "pass"}[c.life == "starting"]} {
		for _, s := range []string{"pass", "warn", "fail"} {
			if s == "warn" && probe != "readiness" {
				continue
			}
			key := probe + " " + s
			p.counters[key] += passed * is(state, s)
			put(is(state, s), "health_probe_status", "health_probe_name", probe, "health_probe_state", s)
			put(p.counters[key], "health_probe_state_duration_seconds_total", "health_probe_name", probe, "health_probe_state", s)
		}
	}
	p.counters["asked"] += passed / 5
	code := "200"
	if c.ready() == "fail" {
		code = "503"
	}
	p.counters["asked "+code] += passed / 5
	for _, code := range []string{"200", "503"} {
		if n := p.counters["asked "+code]; n > 0 {
			put(math.Floor(n), "health_probe_requests_total", "health_probe_name", "readiness", "http_response_status_code", code)
		}
	}
	for _, s := range lives {
		put(is(c.life, s), "health_lifecycle_status", "health_lifecycle_state", s)
	}
}

func (p *pod) checks(c condition, t time.Time, passed float64, put put) {
	for _, check := range []struct {
		name, role, state string
		active            bool
		value, limit      float64
	}{
		{"database", "core", c.database, true, 0, 0}, {"cache", "auxiliary", c.cache, true, 0, 0},
		{"queue", "core", c.queue, false, c.length, 80}, {"latency", "auxiliary", c.latency, false, c.median * 5, .5},
	} {
		name := []string{"health_check_name", check.name}
		with := func(more ...string) []string { return append(name[:2:2], more...) }
		put(1, "health_check_info", with("health_check_role", check.role)...)
		if before, ok := p.before[check.name]; ok && before != check.state {
			p.counters["to "+check.name+check.state]++
			p.changed[check.name] = t
		}
		p.before[check.name] = check.state
		if at, ok := p.changed[check.name]; ok {
			put(float64(at.Unix()), "health_check_last_transition_timestamp_seconds", name...)
		}
		for _, s := range states {
			put(is(check.state, s), "health_check_status", with("health_check_state", s)...)
			if n, ok := p.counters["to "+check.name+s]; ok {
				put(n, "health_check_transitions_total", with("health_check_state", s)...)
			}
		}
		if check.active {
			p.run(check.name, check.state, t, passed, put)
			continue
		}
		put(check.limit, "health_check_limit", with("health_check_limit_type", "max.fail")...)
		put(check.value, "health_check_value", name...)
	}
}

// run exports the metrics of an active check's runs.
func (p *pod) run(check, state string, t time.Time, passed float64, put put) {
	name := []string{"health_check_name", check}
	put(10, "health_check_interval_seconds", name...)
	put(2, "health_check_timeout_seconds", name...)
	if state != "stale" {
		p.counters["ran "+check] = float64(t.Unix()) - 3 - 2*noise(p.name+check, t)
	}
	put(p.counters["ran "+check], "health_check_last_run_timestamp_seconds", name...)
	failures, kind := "row "+check, []string{}
	p.counters[failures] += passed / 10
	if state == "fail" {
		kind = []string{"error_type", "connection_refused"}
	} else {
		p.counters[failures] = 0
		p.counters["well "+check] = float64(t.Unix())
	}
	put(math.Floor(p.counters[failures]), "health_check_consecutive_failures", name...)
	put(p.counters["well "+check], "health_check_last_success_timestamp_seconds", name...)
	median := map[string]float64{"database": .004, "cache": .0011}[check] * (1 + .4*noise(p.name+check, t))
	if state == "warn" {
		median = .35
	}
	for _, k := range [][]string{nil, {"error_type", "connection_refused"}} {
		grown := 0.0
		if len(k) == len(kind) {
			grown = passed / 10
		}
		p.histogram("health_check_duration_seconds", grown, median, .5, runs, put, append(name[:2:2], k...)...)
	}
}

func (p *pod) traffic(c condition, t time.Time, passed float64, put put) {
	for _, code := range []string{"200", "500"} {
		share := c.errors
		if code == "200" {
			share = 1 - c.errors
		}
		p.histogram("http_server_request_duration_seconds", passed*c.rate*share, c.median, .7, requests, put,
			"http_request_method", "POST", "http_response_status_code", code, "http_route", "/jobs", "url_scheme", "http")
	}
	under := math.Max(0, math.Round(c.rate*c.median*3+1.5+1.5*noise(p.name+"under", t)))
	if c.rate == 0 {
		under = 0
	}
	put(under, "http_server_active_requests", "http_request_method", "POST", "url_scheme", "http")
	put(is("yes", map[bool]string{true: "yes"}[under > 0])*math.Max(.02, c.median*3*(1+.8*noise(p.name+"oldest", t))), "http_server_oldest_request_age_seconds")
	put(c.length, "queue_length", "queue_name", "jobs")
	put(100, "queue_capacity", "queue_name", "jobs")
	p.histogram("queue_wait_duration_seconds", passed*c.rate, .02+c.length/60, .8, requests, put, "queue_name", "jobs")
}

// histogram counts events around a median. It begins with the first one. Parts of events keep the
// buckets in proportion, so that no rate falls from one to the next.
func (p *pod) histogram(name string, events, median, sigma float64, les []string, put put, labels ...string) {
	key := fmt.Sprint(name, labels)
	p.counters[key] += events
	n := p.counters[key]
	if n < 1 {
		return
	}
	p.counters[key+"sum"] += events * median
	put(n, name+"_count", labels...)
	put(p.counters[key+"sum"], name+"_sum", labels...)
	for _, le := range les {
		bound, _ := strconv.ParseFloat(le, 64) // the lists above are numbers
		p.counters[key+le] += events * faster(bound, median, sigma)
		put(p.counters[key+le], name+"_bucket", append(labels[:len(labels):len(labels)], "le", le)...)
	}
}

func (p *pod) process(t time.Time, passed float64, put put) {
	load := 1 + .3*noise(p.name+"load", t)
	put(math.Round(28+14*load), "go_goroutine_count")
	put(2e6*load, "go_memory_used_bytes", "go_memory_type", "stack")
	put(2.4e7*load, "go_memory_used_bytes", "go_memory_type", "other")
	put(4.5e7, "go_memory_gc_goal_bytes")
	p.counters["allocated"] += passed * 1.2e6 * load
	put(p.counters["allocated"], "go_memory_allocated_bytes_total")
	p.counters["beats"] += passed * 4 * load
	put(math.Floor(p.counters["beats"]), "health_heartbeat_beats_total", "health_heartbeat_name", "worker")
	put(1, "health_heartbeat_active", "health_heartbeat_name", "worker")
	for _, signal := range []string{"metrics", "traces", "logs"} {
		put(float64(t.Unix())-2, "telemetry_export_last_success_timestamp_seconds", "telemetry_signal", signal)
	}
}

// collector exports its own metrics.
type collector struct {
	name   string
	start  time.Time
	points float64
	series map[string]*series
}

func (c *collector) export(t time.Time, points int, put put) {
	c.points += float64(points)
	put(t.Sub(c.start).Seconds(), "otelcol_process_uptime_seconds_total")
	const exporter = "otlp_http/prometheus"
	put(math.Max(0, math.Round(3+4*noise(c.name, t))), "otelcol_exporter_queue_size", "exporter", exporter)
	put(1000, "otelcol_exporter_queue_capacity", "exporter", exporter)
	put(c.points, "otelcol_exporter_sent_metric_points_total", "exporter", exporter)
}
