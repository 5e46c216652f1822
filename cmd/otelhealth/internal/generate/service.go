package generate

import (
	"maps"
	"slices"
)

// unwell are the checks of each instance in any state but pass, with their role. If a restart under the old
// name has changed a check's role, the newest role counts.
func unwell(whose string) string {
	return "(" + last(perCheck+", health_check_state", "health_check_status{"+whose+`,health_check_state!="pass"}`) + " == 1)" +
		" * on (" + perCheck + ") group_left (health_check_role) group by (" + perCheck + ", health_check_role)" +
		" (topk by (" + perCheck + ") (1, timestamp(health_check_info{" + whose + "})))"
}

const (
	noRequests = "no request metrics"
	noQueue    = "no queue metrics"
)

// whyWords are the colours of the table of causes.
var whyWords = func() map[string]string {
	all := maps.Clone(words)
	all["no telemetry"], all["every check passes"] = grey, green
	return all
}()

// silentLine is a line of the table of causes.
func silentLine(expr string) string {
	return `label_replace(` + expr + `, "health_check_state", "no telemetry", "", "")`
}

// spread shows many instances as three lines, because one line for each could not be read.
func spread(expr string) (list []query) {
	for _, s := range [][2]string{{"max", "most"}, {"avg", "average"}, {"min", "fewest"}} {
		list = append(list, query{legend: s[1], expr: s[0] + "(" + expr + ")"})
	}
	return list
}

func service() board {
	const why = "job, health_check_name, health_check_state, health_check_role"
	toCheck := link{title: "Check", uid: "health-check", vars: []string{"job", "instance", "check=health_check_name"}}
	toInstance := link{title: "Only this instance", uid: "health-service", vars: []string{"job", "instance=instance"}}
	toPipeline := link{title: "Telemetry pipeline", uid: "health-telemetry", vars: []string{"job", "instance"}}
	return board{
		uid: "health-service", title: "Health / Service", from: "now-1h", refresh: "30s", variables: []string{"check", "latency", "service"},
		about: "One service: is it ready? If not: why, since when, and on how many instances?",
		rows: []row{
			{id: 100, title: "Verdict", panels: []panel{
				{id: 1, title: "Readiness, worst instance", w: 6, h: 5, view: tile(), states: readyStates, noData: "no telemetry",
					about: "What the worst of the selected instances in service answers at /ready. If none is in service, the tile shows maintenance, starting or draining instead of fail.",
					links: []link{toPipeline}, queries: []query{{instant: true, legend: "readiness", expr: worstReady() + " or vector(-1)"}}},
				{id: 2, title: "Instances ready", about: readyAbout, unit: "short", w: 4, h: 5, view: plain(),
					links: []link{toPipeline}, queries: readyOf()},
				{id: 3, title: "Liveness", about: "Liveness of the worst instance. If it fails, work is pending and nothing moves, and the kubelet restarts the container.",
					w: 4, h: 5, view: tile(), states: liveStates, noData: "no telemetry", links: []link{toPipeline},
					queries: []query{{instant: true, legend: "liveness", expr: worst("", now,
						`1 health_probe_status{@own,health_probe_name="liveness",health_probe_state="pass"}`,
						`5 health_probe_status{@own,health_probe_name="liveness",health_probe_state="fail"}`) + " or vector(-1)"}}},
				{id: 4, title: "Lifecycle", about: "Instances in each phase. Only running ones can be ready.", unit: "short", w: 6, h: 5, view: plain(), links: []link{toPipeline},
					queries: []query{{instant: true, legend: "{{health_lifecycle_state}}", expr: "sum by (health_lifecycle_state) (" + last(perInstance+", health_lifecycle_state", "health_lifecycle_status{@own}") + ")"}}},
				{id: 5, title: "Overrides", about: "Checks whose effect an operator overrides, on all selected instances. The checks still run. The override changes only what a failure does.",
					unit: "short", w: 4, h: 5, view: tile(), steps: []step{{0, green}, {1, orange}}, links: []link{toPipeline}, queries: []query{{instant: true, legend: "overrides",
						expr: "count(" + last(perCheck, "health_check_override{@own}") + " == 1) or 0 * count(" + heard + ")"}}},
			}},
			{id: 101, title: "Why", panels: []panel{
				// The alphabet has the states with the worst first: fail, stale, unknown, warn.
				{id: 10, title: "Why not ready", w: 24, h: 8, view: rows(sortBy("State", false), sortBy("Share of instances", true)), unit: "short", links: []link{toPipeline},
					about: "Each check that does not pass: its role, since when, and on how many instances of the service, selected or not. " +
						"On all instances the cause is a dependency or a release. On one it is that instance. A silent service has a line too. Since is empty if the state has never changed.",
					queries: []query{
						{instant: true, expr: `count by (` + why + `) (` + unwell("@own") + `) or ` + silentLine("sum by (job) ("+silentJobs+")") +
							` or label_replace(count by (job) (group by (job, instance) (` + now(`health_check_status{@own,health_check_state="pass"}`) + `)), "health_check_state", "every check passes", "", "")` +
							` unless on () (group(` + unwell("@own") + `) or group(` + silentJobs + `))`},
						{instant: true, expr: `count by (` + why + `) (` + unwell("@job") + `) / on (job, health_check_name) group_left () count by (job, health_check_name) (` +
							last(perCheck, "health_check_info{@job}") + `)`},
						{instant: true, expr: `1000 * min by (` + why + `) (` + unwell("@own") + ` * on (` + perCheck + `) group_left () ` +
							last(perCheck, "health_check_last_transition_timestamp_seconds{@own}") + `) or ` + silentLine("1000 * "+lastHeard("job")+" and on (job) "+silentJobs)},
					},
					columns: []column{
						{field: "job", title: "Service"},
						{field: "health_check_name", title: "Check", link: &link{title: "Open the check", uid: "health-check", vars: []string{"job=job", "instance", "check=health_check_name"}}},
						{field: "health_check_state", title: "State", words: whyWords},
						{field: "health_check_role", title: "Role", words: map[string]string{"vital": red, "core": red, "auxiliary": yellow, "informational": blue}},
						{field: "A", title: "Instances", unit: "short"},
						{field: "B", title: "Share of instances", unit: "percentunit", steps: []step{{0, yellow}, {.5, orange}, {1, red}}},
						{field: "C", title: "Since", unit: "dateTimeFromNow"},
					}},
				{id: 11, title: "Checks", w: 24, h: 9, view: timeline(), states: checkStates, noData: "no telemetry",
					about: "The worst state of each check in each step, over the selected instances. A failure of one second shows at any zoom. Grey: no data.",
					links: []link{toCheck}, queries: []query{{legend: "{{health_check_name}}",
						expr: orSilent(checkState("health_check_name", during, "@own"), "health_check_name", `health_check_status{@own,health_check_state="pass"}`)}}},
				{id: 12, title: "Instances", w: 24, h: 9, view: timeline(), states: readyStates, noData: "no telemetry",
					about: "Readiness of the twenty instances that were not ready for the longest time, the worst state of each step. Starting, draining and maintenance are shown instead of fail. Grey: no data.",
					links: []link{toInstance}, queries: []query{{legend: "{{who}}", expr: named(worstOrSilent(readyState(perInstance, during), perInstance, eachInstance,
						`max by (job, instance) (sum_over_time(health_probe_status{@own,health_probe_name="readiness",health_probe_state="fail"}[$__range] @ end()))`), eachInstance)}}},
				{id: 13, title: "Pods of the instances", w: 24, h: 8, view: rows(sortBy("State", true)), unit: "short", links: []link{toPipeline},
					about: "Pod, node and version of each instance, for kubectl. A cell is empty if the instance's resource does not have it. Silent instances come first: they sent data within the time range, did not drain, and send none now.",
					queries: []query{
						{instant: true, expr: described(readyState(perInstance, now)+" or 0 * "+went+" + 9", "k8s_pod_name, k8s_node_name, service_version", eachInstance)},
						{instant: true, expr: "sum by (job, instance) (" + now(`health_probe_state_duration_seconds_total{@own,health_probe_name="readiness"}`) + ")"},
						{instant: true, expr: "time() - " + lastHeard(perInstance) + " and on (job, instance) (" + alive + " or " + went + ")"},
					},
					columns: []column{
						{field: "job", title: "Service"},
						{field: "A", title: "State", states: append(slices.Clone(readyStates[1:]), state{9, 9, "no telemetry", grey})},
						{field: "k8s_pod_name", title: "Pod"}, {field: "k8s_node_name", title: "Node"}, {field: "service_version", title: "Version"},
						{field: "instance", title: "Instance", link: &link{title: "Only this instance", uid: "health-service", vars: []string{"job=job", "instance=instance"}}},
						{field: "B", title: "Runs for", unit: "s"},
						{field: "C", title: "Age of data", unit: "s", steps: []step{{0, green}, {30, yellow}, {60, red}}},
					}},
			}},
			{id: 106, title: "Peers and shadow", panels: []panel{
				{id: 14, title: "Votes of the peers", w: 12, h: 7, view: stacked(), unit: "short", noData: "no check is voted on",
					about: "With Config.Peers: an instance on which a core check fails asks its peers. These are their votes, summed over all such instances. An instance becomes not ready while more than half of its votes are works or cut_off. Empty while all core checks pass.",
					queries: []query{{legend: "{{health_check_name}}: {{health_peer_vote}}",
						expr: "sum by (health_check_name, health_peer_vote) (" + last("job, instance, health_check_name, health_peer_vote", `health_peers{@own,health_peer_vote!="abstains"}`) + ")"}}},
				{id: 15, title: "Would be out", w: 12, h: 7, view: lines(), unit: "short", min: ptr(0), noData: "no check is in shadow",
					about:   "Instances that would not be ready if their checks in shadow were enforced. Instances that are not ready anyway count too. If this line stays at 0 for a week, you can enforce the checks.",
					queries: []query{{legend: "instances", expr: "sum(" + last(perInstance, `health_probe_shadow_status{@own,health_probe_name="readiness",health_probe_state="fail"}`) + ")"}}},
			}},
			{id: 102, title: "Requests", panels: []panel{
				{id: 20, title: "Rate by status code", about: "Requests a second, without probes.", unit: "reqps", w: 8, h: 8, view: stacked(), noData: noRequests,
					queries: []query{{legend: "{{http_response_status_code}}", expr: `sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{@own}[$__rate_interval]))`}}},
				{id: 21, title: "Share of errors", about: "Share of requests that were answered 5xx. 503 is not counted, as in the alerts: a full queue and a drain answer it on purpose.", unit: "percentunit", w: 8, h: 8, view: lines(), min: ptr(0), soft: ptr(.01), noData: noRequests,
					queries: []query{{legend: "errors", expr: errorShare("by ()")}}},
				{id: 22, title: "Requests under way", about: "Requests that have not ended, and the age of the oldest. If that age only grows, requests hang.", unit: "short", w: 8, h: 8, view: lines(),
					queries: []query{
						{legend: "under way", expr: `sum(http_server_active_requests{@own})`},
						{legend: "age of the oldest (s)", expr: `max(http_server_oldest_request_age_seconds{@own})`}}},
				{id: 23, title: "Latency against its limit", unit: "s", w: 12, h: 9, view: lines(), min: ptr(0), dashed: []string{"limit", "judged"}, noData: noRequests,
					about:   "Quantiles over all selected instances. A diamond is a request, with a link to its trace. Dashed: the limits of the latency check chosen above, and its value on the worst instance.",
					queries: append(quantiles("http_server_request_duration_seconds", "@own", "", "", .5, .95, .99), limits("$latency")...)},
				{id: 24, title: "Latency", about: "How many requests took how long. A diamond is a request, with a link to its trace.", unit: "s", w: 12, h: 9, view: heat(), noData: noRequests,
					queries: []query{{legend: "{{le}}", heat: true, exemplars: true, expr: `sum by (le) (rate(http_server_request_duration_seconds_bucket{@own}[$__rate_interval]))`}}},
				{id: 25, title: "Rules against their limits", unit: "percentunit", w: 24, h: 8, view: lines(), steps: []step{{0, "text"}, {1, red}}, min: ptr(0), noData: "no rule metrics",
					about: "Each rule's value on its worst instance, as a share of the limit at which it fails: it fails above 100 %. Rules with a limit of 0, or with only a lower limit, are not shown.",
					links: []link{toCheck}, queries: []query{{legend: "{{health_check_name}}",
						expr: `max by (health_check_name) (health_check_value{@own} / on (job, instance, health_check_name) (health_check_limit{@own,health_check_limit_type="max.fail"} > 0))`}}},
			}},
			{id: 103, title: "Queues", panels: []panel{
				{id: 30, title: "Fill", about: "How full each queue is, on the instance where it is fullest.", unit: "percentunit", w: 8, h: 8, view: lines(), min: ptr(0), noData: noQueue,
					steps: []step{{0, "text"}, {.9, red}}, queries: []query{{legend: "{{queue_name}}",
						expr: `max by (queue_name) (queue_length{@own} / on (job, instance, queue_name) (queue_capacity{@own} > 0))`}}},
				{id: 31, title: "Length, and in 30 minutes", about: "Items now, and in 30 minutes at the growth of the last 15, on the instance with the most. Dashed: the forecast and the capacity.", unit: "short", w: 8, h: 8,
					view: lines(), min: ptr(0), dashed: []string{"capacity", "in 30 min"}, noData: noQueue, queries: []query{
						{legend: "{{queue_name}}", expr: `max by (queue_name) (queue_length{@own})`},
						{legend: "{{queue_name}}, in 30 min", expr: `max by (queue_name) (clamp_min(predict_linear(queue_length{@own}[15m], 1800), 0))`},
						{legend: "{{queue_name}}, capacity", expr: `min by (queue_name) (queue_capacity{@own})`}}},
				{id: 32, title: "Time until full", about: "At the growth of the last 15 minutes, on the instance whose queue is full first. A day means a day or more, or a queue that does not grow.", unit: "s", w: 8, h: 8, view: lines(),
					log: true, noData: noQueue, queries: []query{{legend: "{{queue_name}}",
						expr: `min by (queue_name) (clamp((queue_capacity{@own} - on (job, instance, queue_name) queue_length{@own}) / on (job, instance, queue_name) clamp_min(deriv(queue_length{@own}[15m]), 1e-9), 1, 86400))`}}},
				{id: 33, title: "Time in the queue", about: "How long items waited before they were taken out, as quantiles. A diamond is an item, with a link to its trace.", unit: "s", w: 12, h: 8, view: lines(), min: ptr(0), noData: "no item was taken out",
					queries: quantiles("queue_wait_duration_seconds", "@own", "queue_name", " {{queue_name}}", .5, .99)},
				{id: 34, title: "Taken out", about: "Items a second that were taken from the queue. If there are none while its length is above 0, the queue is stalled.", unit: "ops", w: 12, h: 8, view: lines(), min: ptr(0), noData: noQueue,
					queries: []query{{legend: "{{queue_name}}", expr: `sum by (queue_name) (rate(queue_wait_duration_seconds_count{@own}[$__rate_interval]))`}}},
			}},
			{id: 104, title: "Process", folded: true, panels: []panel{
				{id: 40, title: "Memory", about: "Memory that the Go runtime uses, and the heap size at which the next garbage collection starts, on the largest instance.", unit: "bytes", w: 8, h: 8, view: lines(), min: ptr(0), dashed: []string{"goal"},
					queries: []query{
						{legend: "{{go_memory_type}}", expr: `max by (go_memory_type) (go_memory_used_bytes{@own})`},
						{legend: "goal of the heap", expr: `max(go_memory_gc_goal_bytes{@own})`}}},
				{id: 41, title: "Goroutines", about: "The instance with the most, the one with the fewest, and the average. A number that only grows is a leak.", unit: "short", w: 8, h: 8, view: lines(), min: ptr(0),
					queries: spread("go_goroutine_count{@own}")},
				{id: 42, title: "Allocated", about: "Bytes a second that are allocated on the heap: the instance with the most, the one with the fewest, and the average.", unit: "Bps", w: 8, h: 8, view: lines(), min: ptr(0),
					queries: spread("rate(go_memory_allocated_bytes_total{@own}[$__rate_interval])")},
				{id: 43, title: "Heartbeats", about: "Beats a second, and work under way. If work under way does not beat for the stall time, liveness fails.", unit: "short", noData: "no heartbeat metrics", w: 12, h: 8, view: lines(), min: ptr(0),
					queries: []query{
						{legend: "{{health_heartbeat_name}}, beats a second", expr: `sum by (health_heartbeat_name) (rate(health_heartbeat_beats_total{@own}[$__rate_interval]))`},
						{legend: "{{health_heartbeat_name}}, under way", expr: `sum by (health_heartbeat_name) (health_heartbeat_active{@own})`}}},
				{id: 44, title: "Probes answered", about: "Answers a second by probe and status code. If there are none, the kubelet does not ask.", unit: "reqps", w: 12, h: 8, view: lines(), min: ptr(0),
					queries: []query{{legend: "{{health_probe_name}} {{http_response_status_code}}",
						expr: `sum by (health_probe_name, http_response_status_code) (rate(health_probe_requests_total{@own}[$__rate_interval]))`}}},
			}},
			{id: 105, title: "Traces (needs Tempo)", folded: true, panels: []panel{
				{id: 50, title: "Failing requests", about: "Traces of this service with a span that failed.", w: 12, h: 9, view: rows(sortBy("Start time", true)), unit: "short", noData: "no traces",
					queries: []query{{traces: true, expr: `{resource.service.name=~"$service" && kind=server && status=error}`}}},
				{id: 51, title: "Slow requests", about: "Traces of requests to this service that took more than half a second.", w: 12, h: 9, view: rows(sortBy("Duration", true)), unit: "short", noData: "no traces",
					queries: []query{{traces: true, expr: `{resource.service.name=~"$service" && kind=server && duration>500ms}`}}},
			}},
		},
	}
}

// limits shows a rule's limits and its value.
func limits(checks string) []query {
	which := `@own,health_check_name=~"` + checks + `"`
	return []query{
		{legend: "{{health_check_name}}, limit {{health_check_limit_type}}", expr: `max by (health_check_name, health_check_limit_type) (health_check_limit{` + which + `})`},
		{legend: "{{health_check_name}}, judged", expr: `max by (health_check_name) (health_check_value{` + which + `})`},
	}
}
