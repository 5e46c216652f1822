package generate

import (
	"maps"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
)

// unwell are the checks of each instance in any state but pass, with their role. A restart under
// the old name may change a check's role. The newest one counts.
func unwell(whose string) string {
	return "(" + last(perCheck+", health_check_state", "health_check_status{"+whose+`,health_check_state!="pass"}`) + " == 1)" +
		" * on (" + perCheck + ") group_left (health_check_role) group by (" + perCheck + ", health_check_role)" +
		" (topk by (" + perCheck + ") (1, timestamp(health_check_info{" + whose + "})))"
}

const (
	noRequests = "no requests are heard of"
	noQueue    = "no queue is heard of"
)

// whyWords are the colours of the table of causes.
var whyWords = func() map[string]string {
	all := maps.Clone(words)
	all["no telemetry"], all["every check passes"] = grey, green
	return all
}()

// worstFirst sorts by state, because the alphabet has them in that order: fail, stale, unknown, warn.
var worstFirst = []cog.Builder[common.TableSortByFieldState]{sortBy("State", false), sortBy("Share of instances", true)}

// silentLine is a line of the table of causes.
func silentLine(expr string) string {
	return `label_replace(` + expr + `, "health_check_state", "no telemetry", "", "")`
}

// spread shows many instances as three lines. One line for each would be a carpet.
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
		about: "One service: is it ready, and if not, why, since when, and how many of its instances share it.",
		rows: []row{
			{id: 100, title: "Verdict", panels: []panel{
				{id: 1, title: "Readiness, worst instance", w: 6, h: 5, view: tile(), states: readyStates, noData: "no telemetry",
					about: "What the worst of the selected instances in service answers at /ready. Where none is in service: maintenance, starting or draining, in place of the failure that these cause.",
					links: []link{toPipeline}, queries: []query{{instant: true, legend: "readiness", expr: worstReady() + " or vector(-1)"}}},
				{id: 2, title: "Instances ready", about: readyAbout, unit: "short", w: 4, h: 5, view: plain(),
					links: []link{toPipeline}, queries: readyOf()},
				{id: 3, title: "Liveness", about: "Of the worst instance. A restart is what the kubelet answers a failure with: it means that work is pending and nothing moves.",
					w: 4, h: 5, view: tile(), states: liveStates, noData: "no telemetry", links: []link{toPipeline},
					queries: []query{{instant: true, legend: "liveness", expr: worst("", now,
						`1 health_probe_status{@own,health_probe_name="liveness",health_probe_state="pass"}`,
						`5 health_probe_status{@own,health_probe_name="liveness",health_probe_state="fail"}`) + " or vector(-1)"}}},
				{id: 4, title: "Lifecycle", about: "Instances in each phase. Only running ones can be ready.", unit: "short", w: 6, h: 5, view: plain(), links: []link{toPipeline},
					queries: []query{{instant: true, legend: "{{health_lifecycle_state}}", expr: "sum by (health_lifecycle_state) (" + last(perInstance+", health_lifecycle_state", "health_lifecycle_status{@own}") + ")"}}},
				{id: 5, title: "Broken glass", about: "Checks whose effect an operator overrides, on all selected instances. Judging goes on; what a failure does is changed.",
					unit: "short", w: 4, h: 5, view: tile(), steps: []step{{0, green}, {1, orange}}, links: []link{toPipeline}, queries: []query{{instant: true, legend: "overrides",
						expr: "count(" + last(perCheck, "health_check_override{@own}") + " == 1) or 0 * count(" + heard + ")"}}},
			}},
			{id: 101, title: "Why", panels: []panel{
				{id: 10, title: "Why not ready", w: 24, h: 8, view: rows("Share of instances", true).SortBy(worstFirst), unit: "short", links: []link{toPipeline},
					about: "Each check that does not pass: what it does to readiness, since when, and how many instances of the service share it, selected or not. " +
						"Shared by all, it is a dependency or a release; on one, it is that instance. A service that has fallen silent has a line, too. Since is empty where it has never been otherwise.",
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
					about: "The worst state of each check in each step, over the selected instances: a failure of a second is seen at any zoom. Grey: there was no data.",
					links: []link{toCheck}, queries: []query{{legend: "{{health_check_name}}",
						expr: orSilent(checkState("health_check_name", during, "@own"), "health_check_name", `health_check_status{@own,health_check_state="pass"}`)}}},
				{id: 12, title: "Instances", w: 24, h: 9, view: timeline(), states: readyStates, noData: "no telemetry",
					about: "Readiness of the twenty instances that were not ready for most of the time range, the worst of each step; starting, draining and maintenance in place of the failure that they cause. Grey: there was no data.",
					links: []link{toInstance}, queries: []query{{legend: "{{who}}", expr: named(worstOrSilent(readyState(perInstance, during), perInstance, eachInstance,
						`max by (job, instance) (sum_over_time(health_probe_status{@own,health_probe_name="readiness",health_probe_state="fail"}[$__range] @ end()))`), eachInstance)}}},
				{id: 13, title: "Who they are", w: 24, h: 8, view: rows("State", true), unit: "short", links: []link{toPipeline},
					about: "Each instance with its pod, node and version, as far as its resource says so: for kubectl. The silent ones come first: they sent data within the time range, ended without draining, and are heard no more.",
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
					about: "With Config.Peers: how the peers of the instances on which a core check fails have voted, summed over these instances. They leave while more than half of the votes are works and cut_off. Empty while all core checks pass.",
					queries: []query{{legend: "{{health_check_name}}: {{health_peer_vote}}",
						expr: "sum by (health_check_name, health_peer_vote) (" + last("job, instance, health_check_name, health_peer_vote", `health_peers{@own,health_peer_vote!="abstains"}`) + ")"}}},
				{id: 15, title: "Would be out", w: 12, h: 7, view: lines(), unit: "short", min: ptr(0), noData: "no check is in shadow",
					about:   "Instances that would not be ready if their checks in shadow had force. Instances that are out anyway count too. If this line stays at 0 for a week, the check can have force.",
					queries: []query{{legend: "instances", expr: "sum(" + last(perInstance, `health_probe_shadow_status{@own,health_probe_name="readiness",health_probe_state="fail"}`) + ")"}}},
			}},
			{id: 102, title: "Requests", panels: []panel{
				{id: 20, title: "Rate by status code", about: "Requests a second. Probes are not among them.", unit: "reqps", w: 8, h: 8, view: stacked(), noData: noRequests,
					queries: []query{{legend: "{{http_response_status_code}}", expr: `sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{@own}[$__rate_interval]))`}}},
				{id: 21, title: "Share of errors", about: "Requests that were answered 5xx, of all. 503, by which a full queue or a drain refuses, is not counted, as in the alerts.", unit: "percentunit", w: 8, h: 8, view: lines(), min: ptr(0), soft: ptr(.01), noData: noRequests,
					queries: []query{{legend: "errors", expr: errorShare("by ()")}}},
				{id: 22, title: "Requests under way", about: "How many there are, and the age of the oldest, which shows a stall in which no request ever ends.", unit: "short", w: 8, h: 8, view: lines(),
					queries: []query{
						{legend: "under way", expr: `sum(http_server_active_requests{@own})`},
						{legend: "age of the oldest (s)", expr: `max(http_server_oldest_request_age_seconds{@own})`}}},
				{id: 23, title: "Latency against its limit", unit: "s", w: 12, h: 9, view: lines(), min: ptr(0), dashed: []string{"limit", "judged"}, noData: noRequests,
					about:   "Quantiles of all selected instances; a diamond is a request, and leads to its trace. Dashed: the limit that the app judges itself by, and the number it judges, of its worst instance, from the check chosen above.",
					queries: append(quantiles("http_server_request_duration_seconds", "@own", "", "", .5, .95, .99), limits("$latency")...)},
				{id: 24, title: "Latency", about: "How many requests took how long. A diamond is a request, and leads to its trace.", unit: "s", w: 12, h: 9, view: heat(), noData: noRequests,
					queries: []query{{legend: "{{le}}", heat: true, exemplars: true, expr: `sum by (le) (rate(http_server_request_duration_seconds_bucket{@own}[$__rate_interval]))`}}},
				{id: 25, title: "Rules against their limits", unit: "percentunit", w: 24, h: 8, view: lines(), steps: []step{{0, "text"}, {1, red}}, min: ptr(0), noData: "no rule is heard of",
					about: "Each rule's value as a share of the limit at which it fails, on its worst instance: at 100 % it does. Rules with a limit of 0 or only a smallest value are not here.",
					links: []link{toCheck}, queries: []query{{legend: "{{health_check_name}}",
						expr: `max by (health_check_name) (health_check_value{@own} / on (job, instance, health_check_name) (health_check_limit{@own,health_check_limit_type="max.fail"} > 0))`}}},
			}},
			{id: 103, title: "Queues", panels: []panel{
				{id: 30, title: "Fill", about: "The fullest of each queue over the selected instances.", unit: "percentunit", w: 8, h: 8, view: lines(), min: ptr(0), noData: noQueue,
					steps: []step{{0, "text"}, {.9, red}}, queries: []query{{legend: "{{queue_name}}",
						expr: `max by (queue_name) (queue_length{@own} / on (job, instance, queue_name) (queue_capacity{@own} > 0))`}}},
				{id: 31, title: "Length, and in 30 minutes", about: "Items now, and what the last 15 minutes lead to if they go on, of the instance where it is most. Dashed: what fits.", unit: "short", w: 8, h: 8,
					view: lines(), min: ptr(0), dashed: []string{"capacity", "in 30 min"}, noData: noQueue, queries: []query{
						{legend: "{{queue_name}}", expr: `max by (queue_name) (queue_length{@own})`},
						{legend: "{{queue_name}}, in 30 min", expr: `max by (queue_name) (clamp_min(predict_linear(queue_length{@own}[15m], 1800), 0))`},
						{legend: "{{queue_name}}, capacity", expr: `min by (queue_name) (queue_capacity{@own})`}}},
				{id: 32, title: "Time until full", about: "At the growth of the last 15 minutes, of the instance that is full first. A day stands for more, and for a queue that does not grow.", unit: "s", w: 8, h: 8, view: lines(),
					log: true, noData: noQueue, queries: []query{{legend: "{{queue_name}}",
						expr: `min by (queue_name) (clamp((queue_capacity{@own} - on (job, instance, queue_name) queue_length{@own}) / on (job, instance, queue_name) clamp_min(deriv(queue_length{@own}[15m]), 1e-9), 1, 86400))`}}},
				{id: 33, title: "Time in the queue", about: "Quantiles of what was taken out. A diamond is an item, and leads to its trace.", unit: "s", w: 12, h: 8, view: lines(), min: ptr(0), noData: "nothing was taken out, for all that is heard",
					queries: quantiles("queue_wait_duration_seconds", "@own", "queue_name", " {{queue_name}}", .5, .99)},
				{id: 34, title: "Taken out", about: "Items a second that left the queue. None, while its length is above 0, is a queue that stands still.", unit: "ops", w: 12, h: 8, view: lines(), min: ptr(0), noData: noQueue,
					queries: []query{{legend: "{{queue_name}}", expr: `sum by (queue_name) (rate(queue_wait_duration_seconds_count{@own}[$__rate_interval]))`}}},
			}},
			{id: 104, title: "Process", folded: true, panels: []panel{
				{id: 40, title: "Memory", about: "What the Go runtime uses, and the size at which the heap is collected next, of the largest instance.", unit: "bytes", w: 8, h: 8, view: lines(), min: ptr(0), dashed: []string{"goal"},
					queries: []query{
						{legend: "{{go_memory_type}}", expr: `max by (go_memory_type) (go_memory_used_bytes{@own})`},
						{legend: "goal of the heap", expr: `max(go_memory_gc_goal_bytes{@own})`}}},
				{id: 41, title: "Goroutines", about: "Of the instances with the most and the fewest, and the average. A number that only grows is a leak.", unit: "short", w: 8, h: 8, view: lines(), min: ptr(0),
					queries: spread("go_goroutine_count{@own}")},
				{id: 42, title: "Allocated", about: "Bytes a second that are allocated on the heap, of the instances with the most and the fewest, and the average.", unit: "Bps", w: 8, h: 8, view: lines(), min: ptr(0),
					queries: spread("rate(go_memory_allocated_bytes_total{@own}[$__rate_interval])")},
				{id: 43, title: "Heartbeats", about: "Signs of life a second, and work under way: work without a beat for the stall time fails liveness.", unit: "short", noData: "no heartbeat is heard of", w: 12, h: 8, view: lines(), min: ptr(0),
					queries: []query{
						{legend: "{{health_heartbeat_name}}, beats a second", expr: `sum by (health_heartbeat_name) (rate(health_heartbeat_beats_total{@own}[$__rate_interval]))`},
						{legend: "{{health_heartbeat_name}}, under way", expr: `sum by (health_heartbeat_name) (health_heartbeat_active{@own})`}}},
				{id: 44, title: "Probes answered", about: "By probe and status code. None is a kubelet that does not ask.", unit: "reqps", w: 12, h: 8, view: lines(), min: ptr(0),
					queries: []query{{legend: "{{health_probe_name}} {{http_response_status_code}}",
						expr: `sum by (health_probe_name, http_response_status_code) (rate(health_probe_requests_total{@own}[$__rate_interval]))`}}},
			}},
			{id: 105, title: "Traces (needs Tempo)", folded: true, panels: []panel{
				{id: 50, title: "Failing requests", about: "Traces of this service with a span that failed.", w: 12, h: 9, view: rows("Start time", true), unit: "short", noData: "no traces",
					queries: []query{{traces: true, expr: `{resource.service.name=~"$service" && kind=server && status=error}`}}},
				{id: 51, title: "Slow requests", about: "Traces of requests to this service that took more than half a second.", w: 12, h: 9, view: rows("Duration", true), unit: "short", noData: "no traces",
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
