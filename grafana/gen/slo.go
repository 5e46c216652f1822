package main

import "fmt"

// slo reads the alerts' recording rules and uses their objectives, see [objective].
func slo(d dialect) board {
	const (
		time  = `sum by (job) (increase(health_probe_state_duration_seconds_total{@own,health_probe_name="readiness"}[$__range]))`
		down  = `sum by (job) (increase(health_probe_state_duration_seconds_total{@own,health_probe_name="readiness",health_probe_state="fail"}[$__range]))`
		asked = `sum by (job) (increase(http_server_request_duration_seconds_count{@own}[$__range]))`
	)
	ready, errors, slow := d.readyObjective(), d.errorObjective(), d.slowObjective()
	bad := func(o objective) string {
		return fmt.Sprintf("sum_over_time(%s{@job}[$__range]) / on (job) (sum_over_time(%s{@job}[$__range]) > 0)", o.bad, o.all)
	}
	left := func(o objective) string { return fmt.Sprintf("1 - %s / %g", bad(o), o.budget) }
	toService := link{title: "Service", uid: "health-service", vars: []string{"job=job"}}
	good := func(o objective) []step { return []step{{0, red}, {1 - o.budget, green}} }
	room := []step{{0, red}, {1e-9, yellow}, {.25, green}}
	share := func(id uint32, title, about, expr string, steps []step) panel {
		return panel{id: id, title: title, about: about, unit: "percentunit", w: 6, h: 5, view: tile(), steps: steps, decimals: ptr(3),
			links: []link{toService}, queries: []query{{instant: true, legend: "{{job}}", expr: expr}}}
	}
	burn := func(id uint32, title, about string, o objective) panel {
		p := panel{id: id, title: title, unit: "short", w: 24, h: 8, view: lines(), min: ptr(0), links: []link{toService},
			about: about + " The objective is " + o.percent() + "; 1 spends the budget in just its time. Above 14.4 in both 5 min and 1 h, a fiftieth of 30 days' budget is gone in an hour, and somebody is paged; " +
				"above 6 in 30 min and 6 h, too. Reads the recording rules of grafana/alerts.",
			steps: []step{{0, "text"}, {1, yellow}, {6, orange}, {14.4, red}}}
		for _, window := range []string{"5m", "30m", "1h", "6h", "3d"} {
			p.queries = append(p.queries, query{legend: "{{job}} " + window, expr: fmt.Sprintf("%s_rate%s{@job} / %g", o.ratio, window, o.budget)})
		}
		return p
	}
	return board{
		uid: "health-slo", title: "Health / SLO", from: "now-30d",
		about: "What was promised, and what is left of the room for failure: the objectives are those of the alerts. The window is the time range of the dashboard.",
		rows: []row{
			{id: 100, title: "Over the time range", panels: []panel{
				share(1, "Ready", "Share of all instances' time in which they were ready, from a counter of seconds: outages between two exports are in it. So are maintenance, draining and starting.",
					"1 - "+down+" / "+time, good(ready)),
				share(2, "Readiness budget left", "What is left of the time that may be not ready, at an objective of "+ready.percent()+". Below 0 %, it is missed. Maintenance, draining and starting cost nothing here, as in the alerts, whose recording rules it reads.", left(ready), room),
				share(3, "Requests without error", "Share of requests that were not answered 5xx. 503 is no error here, as in the alerts, whose recording rules it reads: a full queue and a drain answer it on purpose.", "1 - "+bad(errors), good(errors)),
				share(4, "Request budget left", "What is left of the requests that may fail, at an objective of "+errors.percent()+". Below 0 %, it is missed.", left(errors), room),
				{id: 5, title: "Services", about: "All services, the one with the least budget first.", unit: "short", w: 24, h: 8, view: rows("Readiness budget left", false),
					queries: []query{
						{instant: true, expr: "1 - " + down + " / " + time}, {instant: true, expr: left(ready)}, {instant: true, expr: down},
						{instant: true, expr: "1 - " + bad(errors)}, {instant: true, expr: left(errors)}, {instant: true, expr: asked}},
					columns: []column{
						{field: "job", title: "Service", link: &link{title: "Open the service", uid: "health-service", vars: []string{"job=job"}}},
						{field: "A", title: "Ready", unit: "percentunit", steps: good(ready)}, {field: "B", title: "Readiness budget left", unit: "percentunit", steps: room},
						{field: "C", title: "Not ready, of all instances", unit: "s"},
						{field: "D", title: "Without error", unit: "percentunit", steps: good(errors)}, {field: "E", title: "Request budget left", unit: "percentunit", steps: room},
						{field: "F", title: "Requests", unit: "short"},
					}},
			}},
			{id: 101, title: "Burn rates", panels: []panel{
				burn(10, "Readiness", "How fast the time that may be not ready is spent, without what was planned.", ready),
				burn(11, "Requests", "How fast the requests that may be answered 5xx, but 503, are spent.", errors),
				burn(12, "Slow requests", "How fast the requests that may take longer than 0.5 s are spent.", slow),
			}},
			{id: 102, title: "Budget over time", panels: []panel{
				{id: 20, title: "Readiness budget left over time", unit: "percentunit", w: 24, h: 8, view: lines().MaxDataPoints(100), max: ptr(1), steps: []step{{0, red}, {1e-9, "text"}}, links: []link{toService},
					about:   "At each moment, what the time range before it had left.",
					queries: []query{{legend: "{{job}}", expr: left(ready)}}},
			}},
		},
	}
}
