package main

import "fmt"

func slo() board {
	const (
		time  = `sum by (job) (increase(health_probe_state_duration_seconds_total{@own,health_probe_name="readiness"}[$__range]))`
		down  = `sum by (job) (increase(health_probe_state_duration_seconds_total{@own,health_probe_name="readiness",health_probe_state="fail"}[$__range]))`
		asked = `sum by (job) (increase(http_server_request_duration_seconds_count{@own}[$__range]))`
		wrong = `(sum by (job) (increase(http_server_request_duration_seconds_count{@own,http_response_status_code=~"5.."}[$__range])) or 0 * ` + asked + `)`
	)
	// What the alerts count, too: planned states are left out.
	const unplanned = `1 - avg_over_time(job:health_ready:error_ratio_rate5m{@job}[$__range]) / (1 - $objective)`
	toService := link{title: "Service", uid: "health-service", vars: []string{"job=job"}}
	good := []step{{0, red}, {.99, yellow}, {.999, green}}
	left := []step{{0, red}, {1e-9, yellow}, {.25, green}}
	share := func(id uint32, title, about, expr string, steps []step) panel {
		return panel{id: id, title: title, about: about, unit: "percentunit", w: 6, h: 5, view: tile(), steps: steps, decimals: ptr(3),
			links: []link{toService}, queries: []query{{instant: true, legend: "{{job}}", expr: expr}}}
	}
	budget := func(bad, all string) string { return fmt.Sprintf("1 - (%s / %s) / (1 - $objective)", bad, all) }
	burn := func(id uint32, title, about, rule string) panel {
		p := panel{id: id, title: title, unit: "short", w: 24, h: 8, view: lines(), min: ptr(0), links: []link{toService},
			about: about + " 1 spends the budget in just its time. Above 14.4 in both 5 min and 1 h, a fiftieth of 30 days' budget is gone in an hour, and somebody is paged; " +
				"above 6 in 30 min and 6 h, too. Reads the recording rules of grafana/alerts.",
			steps: []step{{0, "text"}, {1, yellow}, {6, orange}, {14.4, red}}}
		for _, window := range []string{"5m", "30m", "1h", "6h", "3d"} {
			p.queries = append(p.queries, query{legend: "{{job}} " + window, expr: fmt.Sprintf("%s%s{@job} / (1 - $objective)", rule, window)})
		}
		return p
	}
	return board{
		uid: "health-slo", title: "Health / SLO", from: "now-30d", variables: []string{"objective"},
		about: "What was promised, and what is left of the room for failure. The window is the time range of the dashboard.",
		rows: []row{
			{id: 100, title: "Objective $objective, over the time range", panels: []panel{
				share(1, "Ready", "Share of all instances' time in which they were ready, from a counter of seconds: outages between two exports are in it. So are maintenance, draining and starting.",
					"1 - "+down+" / "+time, good),
				share(2, "Readiness budget left", "What is left of the time that may be not ready. Below 0 %, the objective is missed. Maintenance, draining and starting cost nothing here, as in the alerts, whose recording rules it reads.", unplanned, left),
				share(3, "Requests without 5xx", "Share of requests that were not answered 5xx.", "1 - "+wrong+" / "+asked, good),
				share(4, "Request budget left", "What is left of the requests that may fail. Below 0 %, the objective is missed.", budget(wrong, asked), left),
				{id: 5, title: "Services", about: "All services, the one with the least budget first.", unit: "short", w: 24, h: 8, view: rows("Readiness budget left", false),
					queries: []query{
						{instant: true, expr: "1 - " + down + " / " + time}, {instant: true, expr: unplanned}, {instant: true, expr: down},
						{instant: true, expr: "1 - " + wrong + " / " + asked}, {instant: true, expr: budget(wrong, asked)}, {instant: true, expr: asked}},
					columns: []column{
						{field: "job", title: "Service", link: &link{title: "Open the service", uid: "health-service", vars: []string{"job=job"}}},
						{field: "A", title: "Ready", unit: "percentunit", steps: good}, {field: "B", title: "Readiness budget left", unit: "percentunit", steps: left},
						{field: "C", title: "Not ready, of all instances", unit: "s"},
						{field: "D", title: "Without 5xx", unit: "percentunit", steps: good}, {field: "E", title: "Request budget left", unit: "percentunit", steps: left},
						{field: "F", title: "Requests", unit: "short"},
					}},
			}},
			{id: 101, title: "Burn rates", panels: []panel{
				burn(10, "Readiness", "How fast the time that may be not ready is spent, without what was planned.", "job:health_ready:error_ratio_rate"),
				burn(11, "Requests", "How fast the requests that may be answered 5xx are spent.", "job:http_server_requests:error_ratio_rate"),
				burn(12, "Slow requests", "How fast the requests that may be slow are spent, at the same objective.", "job:http_server_slow:ratio_rate"),
			}},
			{id: 102, title: "Budget over time", panels: []panel{
				{id: 20, title: "Readiness budget left over time", unit: "percentunit", w: 24, h: 8, view: lines().MaxDataPoints(100), max: ptr(1), steps: []step{{0, red}, {1e-9, "text"}}, links: []link{toService},
					about:   "At each moment, what the time range before it had left.",
					queries: []query{{legend: "{{job}}", expr: unplanned}}},
			}},
		},
	}
}
