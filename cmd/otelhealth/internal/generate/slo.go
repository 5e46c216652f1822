package generate

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/common"
)

const noBudget = "no recording rules"

// slo reads the alerts' recording rules and uses their objectives, see [objective].
func slo(d dialect) board {
	// The sum of a recorded rate, times the evaluation interval, is a total. Reading the raw counters of a
	// month would take seconds.
	total := func(sum string) string { return fmt.Sprintf("%g * %s", every.Seconds(), sum) }
	ready, errors, slow := d.readyObjective(), d.errorObjective(), d.slowObjective()
	// A silent service counts against readiness: each missing instance is not ready. It does not count for
	// requests, because nothing is known of them.
	const silence = "(sum_over_time(job:health_silent:count{@job}[$__range]) or 0 * sum_over_time(job:health_ready_observed:rate5m{@job}[$__range]))"
	unready := fmt.Sprintf("(sum_over_time(%s{@job}[$__range]) + on (job) %s)", ready.bad, silence)
	bad := func(o objective) string {
		if o.alert == ready.alert {
			return fmt.Sprintf("%s / on (job) (sum_over_time(%s{@job}[$__range]) + on (job) %s > 0)", unready, o.all, silence)
		}
		return fmt.Sprintf("sum_over_time(%s{@job}[$__range]) / on (job) (sum_over_time(%s{@job}[$__range]) > 0) and on (job) last_over_time(job:health_instances:count{@job}[2m])", o.bad, o.all)
	}
	share := func(o objective) string { return "1 - (" + bad(o) + ")" }
	left := func(o objective) string { return fmt.Sprintf("1 - (%s) / %g", bad(o), o.budget) }
	toService := link{title: "Service", uid: "health-service", vars: []string{"job=job"}}
	good := func(o objective) []step { return []step{{0, red}, {1 - o.budget, green}} }
	room := []step{{0, red}, {1e-9, yellow}, {.25, green}}
	worst := func(id uint32, title, about, expr, noData string, decimals float64, steps []step) panel {
		return panel{id: id, title: title, about: about, unit: "percentunit", w: 6, h: 5, view: tile().TextMode(common.BigValueTextModeValueAndName), steps: steps, decimals: &decimals, noData: noData,
			links: []link{toService}, queries: []query{{instant: true, legend: "{{job}}", expr: "bottomk(1, " + expr + ")"}}}
	}
	burn := func(id uint32, title, about string, o objective) panel {
		p := panel{id: id, title: title, unit: "short", w: 24, h: 8, view: lines(), min: ptr(0), symlog: true, links: []link{toService}, noData: noBudget,
			about: about + " The objective is " + o.percent() + ". At a burn rate of 1, a budget of 30 days lasts 30 days. Two conditions page: above 14.4 over 5 min and 1 h, which spends 2 % of the budget in an hour, " +
				"and above 6 over 30 min and 6 h. Needs the recording rules in grafana/alerts.",
			steps: []step{{0, "text"}, {1, yellow}, {6, orange}, {14.4, red}}}
		for _, window := range []string{"5m", "30m", "1h", "6h", "3d"} {
			p.queries = append(p.queries, query{legend: "{{job}} " + window, expr: fmt.Sprintf("%s_rate%s{@job} / %g", o.ratio, window, o.budget)})
		}
		return p
	}
	return board{
		uid: "health-slo", title: "Health / SLO", from: "now-30d", refresh: "1h",
		about: "The objectives of the alerts, and the error budget that is left. The window is the time range of the dashboard.",
		rows: []row{
			{id: 100, title: "Over the time range", panels: []panel{
				worst(1, "Ready, worst service", "Share of the instances' time in service in which they were ready. It comes from a counter of seconds, so it includes outages between two exports. Maintenance, draining and starting don't count. A service that is silent as a whole counts as not ready. Needs the recording rules in grafana/alerts.",
					share(ready), noBudget, 2, good(ready)),
				worst(2, "Least readiness budget", "Share of the readiness budget that is left, at an objective of "+ready.percent()+". Below 0 % the objective is missed. Maintenance, draining and starting cost nothing.", left(ready), noBudget, 0, room),
				worst(3, "Without error, worst service", "Share of requests that were not answered 5xx. 503 is no error, as in the alerts: a full queue and a drain answer it on purpose. Needs the recording rules in grafana/alerts.", share(errors), noRequests, 3, good(errors)),
				worst(4, "Least request budget", "Share of the requests' error budget that is left, at an objective of "+errors.percent()+". Below 0 % the objective is missed.", left(errors), noRequests, 0, room),
				{id: 5, title: "Services", about: "All services with recorded series in the time range. The one with the least budget left is first.", unit: "short", w: 24, h: 8, view: rows(sortBy("Readiness budget left", false)), noData: noBudget,
					queries: []query{
						{instant: true, expr: share(ready)}, {instant: true, expr: left(ready)}, {instant: true, expr: total(unready)},
						{instant: true, expr: share(errors)}, {instant: true, expr: left(errors)}, {instant: true, expr: total("sum_over_time(" + errors.all + "{@job}[$__range])")}},
					columns: []column{
						{field: "job", title: "Service", link: &link{title: "Open the service", uid: "health-service", vars: []string{"job=job"}}},
						{field: "A", title: "Ready", unit: "percentunit", decimals: ptr(2), steps: good(ready)}, {field: "B", title: "Readiness budget left", unit: "percentunit", steps: room},
						{field: "C", title: "Not ready, all instances", unit: "s"},
						{field: "D", title: "Without error", unit: "percentunit", decimals: ptr(3), optional: true, steps: good(errors)}, {field: "E", title: "Request budget left", unit: "percentunit", optional: true, steps: room},
						{field: "F", title: "Requests", unit: "short", optional: true},
					}},
			}},
			{id: 101, title: "Burn rates", panels: []panel{
				burn(10, "Readiness", "How fast the readiness budget is spent. Maintenance, draining and starting cost nothing.", ready),
				burn(11, "Requests", "How fast the budget for requests that are answered 5xx, except 503, is spent.", errors),
				burn(12, "Slow requests", "How fast the budget for requests that take longer than 0.5 s is spent.", slow),
			}},
			{id: 102, title: "Budget over time", panels: []panel{
				{id: 20, title: "Readiness budget left over time", unit: "percentunit", w: 24, h: 8, view: lines().MaxDataPoints(100), max: ptr(1), noData: noBudget, steps: []step{{0, red}, {1e-9, "text"}}, links: []link{toService},
					about:   "Budget left at each moment, over a window as long as the time range.",
					queries: []query{{legend: "{{job}}", expr: left(ready)}}},
			}},
		},
	}
}
