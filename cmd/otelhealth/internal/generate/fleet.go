package generate

// An instance counts while its data is fresh, as in the rules. One that has drained keeps its last sample for
// that long, so leave it out.
var (
	leaving = " unless on (job, instance) " + last(perInstance, `health_lifecycle_status{@own,health_lifecycle_state="draining"}`) + " == 1"
	// ready is 1 for each ready instance, and 0 for each other one.
	ready = "(" + last(perInstance, `health_probe_status{@own,health_probe_name="readiness",health_probe_state=~"pass|warn"}`) + leaving + ")"
	// readyShare is the share of a job's instances that are ready: of the instances that send data,
	// or of the expected ones, if that is less. It is absent if all drain.
	readyHeard = "(avg by (job) (" + ready + ") or 0 * " + heard + ")"
	readyShare = "(job:health_ready:ratio{@job} < on (job) " + readyHeard + " or " + readyHeard + ")"
	failing    = "(" + last(perCheck, `health_check_status{@own,health_check_state="fail"}`) + " == 1" + leaving + ")"
)

const readyAbout = "How many instances answer 200 at /ready (ready), how many send data (of), and how many the alerts expect of the whole service (expected). If fewer send data than are expected, some have gone. " +
	"Draining instances are not counted. The expected number needs the recording rules in grafana/alerts."

func readyOf() []query {
	return []query{
		{instant: true, legend: "ready", expr: "sum(" + ready + ") or 0 * count(" + heard + ")"},
		{instant: true, legend: "of", expr: "count(" + ready + ") or 0 * count(" + heard + ")"},
		{instant: true, legend: "expected", expr: "sum(job:health_instances_expected:count{@job} and on (job) " + heard + ")"},
	}
}

func fleet() board {
	toService := link{title: "Service", uid: "health-service", vars: []string{"job=job"}}
	allServices := link{title: "Service", uid: "health-service", vars: []string{"job", "instance"}}
	count := func(id uint32, title, about, expr, color string) panel {
		steps := []step{{0, green}, {1, color}}
		if color == green {
			steps = []step{{0, red}, {1, green}}
		}
		return panel{id: id, title: title, about: about, unit: "short", w: 4, h: 4, view: tile(), steps: steps,
			links: []link{allServices}, queries: []query{{expr: expr, legend: title, instant: true}}}
	}
	return board{
		uid: "health-fleet", title: "Health / Fleet", from: "now-1h", refresh: "30s",
		about: "All services: which are ready, which are not, and which are silent.",
		rows: []row{
			{id: 100, title: "Now", panels: []panel{
				count(1, "Services ready", "Services with all expected instances ready.",
					`count(`+readyShare+` == 1) or 0 * count(`+heard+`)`, green),
				count(2, "Services degraded", "Services with some expected instances ready, and some not ready or gone.",
					`count(`+readyShare+` < 1 and `+readyShare+` > 0) or 0 * count(`+heard+`)`, yellow),
				count(3, "Services down", "Services without a ready instance, for any reason, also for maintenance.",
					`count(`+readyShare+` == 0) or 0 * count(`+heard+`)`, red),
				count(4, "Services silent", "Services that sent data within the time range, and none in the last two minutes. They may run or not. A service whose instances all drained is not counted.",
					`count(`+silentJobs+`) or 0 * count(`+seen+`)`, purple),
				count(5, "Checks failing", "Checks that fail on at least one instance. A check counts once for each service.",
					`count(group by (job, health_check_name) (`+failing+`)) or 0 * count(`+heard+`)`, orange),
				{id: 6, title: "Instances ready", about: readyAbout, unit: "short", w: 4, h: 4, view: plain(),
					links: []link{allServices}, queries: readyOf()},
			}},
			{id: 101, title: "History", panels: []panel{
				{id: 10, title: "Readiness of services", w: 24, h: 8, view: timeline(), states: shareStates, unit: "percentunit", noData: "no telemetry",
					about: "The smallest share of the expected instances that was ready in each step. An instance that has gone is still expected. Blue: none is expected, because of maintenance, a start or a drain. Grey: no data. Needs the recording rules in grafana/alerts.",
					links: []link{toService}, queries: []query{{legend: "{{job}}",
						expr: orSilent(`min by (job) (min_over_time(job:health_ready:ratio{@job}[$__rate_interval])) or 2 + 0 * max by (job) (max_over_time(job:health_instances:count{@job}[$__rate_interval]))`, "job", "job:health_instances:count{@job}")}}},
				{id: 11, title: "Instances not ready", about: "Instances that send data and are neither ready nor draining, by service.", unit: "short", w: 12, h: 8, view: stacked(),
					links: []link{toService}, queries: []query{{legend: "{{job}}",
						expr: `count by (job) (` + ready + ` == 0) or 0 * ` + heard}}},
				{id: 12, title: "Instances, and the most of the last hour", unit: "short", w: 12, h: 8, view: lines(), dashed: []string{"most of"}, unnamed: true,
					about: "If a line is below its dashed line, instances have gone. A ratio over the remaining instances does not show that. Needs the recording rules in grafana/alerts.",
					links: []link{toService}, queries: []query{
						{expr: `job:health_instances:count{@job}`, legend: "{{job}}"},
						{expr: `job:health_instances:max1h{@job}`, legend: "{{job}}, most of an hour"}}},
			}},
			{id: 102, title: "Services", panels: []panel{
				{id: 20, title: "Services", w: 24, h: 10, view: rows(sortBy("Ready", false)), unit: "short",
					about: "Each service of the time range, the worst first. A silent service counts as not ready. Click a service to open its dashboard.",
					queries: []query{
						{expr: readyShare + " or 0 * " + silentJobs + " - 1 or 0 * " + endedJobs + " + 2", instant: true},
						{expr: `count by (job) (` + ready + `) or 0 * ` + heard, instant: true},
						{expr: `count by (job) (group by (job, health_check_name) (` + failing + `)) or 0 * ` + heard, instant: true},
						{expr: `sum by (job) (rate(http_server_request_duration_seconds_count{@own}[$__rate_interval]))`, instant: true},
						{expr: errorShare("by (job)"), instant: true},
						{expr: quantiles("http_server_request_duration_seconds", "@own", "job", "", .99)[0].expr, instant: true},
						{expr: `max by (job) (queue_length{@own} / on (job, instance, queue_name) (queue_capacity{@own} > 0))`, instant: true},
						{expr: `time() - ` + lastHeard("job"), instant: true},
					},
					columns: []column{
						{field: "job", title: "Service", link: &link{title: "Open the service", uid: "health-service", vars: []string{"job=job"}}},
						{field: "A", title: "Ready", unit: "percentunit", steps: []step{{0, red}, {.01, yellow}, {1, green}}, states: []state{silent, {2, 2, "ended", blue}}},
						{field: "B", title: "Instances", unit: "short"},
						{field: "C", title: "Failing checks", unit: "short", steps: []step{{0, green}, {1, orange}}},
						{field: "D", title: "Requests", unit: "reqps", optional: true},
						{field: "E", title: "Errors", unit: "percentunit", optional: true, steps: []step{{0, green}, {.001, yellow}, {.05, red}}},
						{field: "F", title: "p99", unit: "s", optional: true},
						{field: "G", title: "Fullest queue", unit: "percentunit", optional: true, steps: []step{{0, green}, {.5, yellow}, {.9, red}}},
						{field: "H", title: "Age of data", unit: "s", steps: []step{{0, green}, {30, yellow}, {60, red}}},
					}},
				{id: 21, title: "Worst checks", about: "The ten checks that failed for the largest share of the time range, over all instances of their service. For a silent service, only checks that failed.",
					unit: "percentunit", w: 12, h: 10, view: bars(), min: ptr(0), max: ptr(1), decimals: ptr(1), steps: []step{{0, green}, {.001, yellow}, {.1, red}},
					links: []link{{title: "Check", uid: "health-check", vars: []string{"job=job", "check=health_check_name"}}},
					queries: []query{{instant: true, legend: "{{job}} {{health_check_name}}",
						expr: "topk(10, " + failedShare + " > 0 or " + failedShare + " and on (job) " + heard + ")"}}},
				{id: 22, title: "Alerts firing", about: "Alerts of otelhealth's rules that fire now. The rules are in grafana/alerts.", unit: "short",
					w: 12, h: 10, view: rows(sortBy("Severity", false)), noData: "no rule records anything", links: []link{allServices},
					queries: []query{{instant: true, expr: firing}},
					columns: []column{{field: "alertname", title: "Alert"},
						{field: "severity", title: "Severity", words: map[string]string{"critical": red, "warning": yellow, "info": blue}},
						{field: "job", title: "Service", link: &link{title: "Open the service", uid: "health-service", vars: []string{"job=job"}}},
						{field: "who", title: "Pod or instance"}}},
			}},
		},
	}
}

// failedShare is the share of all samples. In an average over instances, one that lived for a minute would
// weigh as much as one that lived for a day.
const failedShare = `sum by (job, health_check_name) (sum_over_time(health_check_status{@own,health_check_state="fail"}[$__range])) / sum by (job, health_check_name) (count_over_time(health_check_status{@own,health_check_state="fail"}[$__range]))`

// firing are the alerts with the pod of each. If the rules run and no alert fires, there is a line that says so.
const firing = `count by (alertname, severity, job, who) (ALERTS{alertstate="firing",@alerts} * on (job, instance) group_left (who) (` +
	`label_replace(group by (job, instance, k8s_pod_name) (topk by (job, instance) (1, target_info{@own,k8s_pod_name!=""})), "who", "$1", "k8s_pod_name", "(.+)") or on (job, instance) ` +
	`label_replace(group by (job, instance) (ALERTS{alertstate="firing",@alerts}), "who", "$1", "instance", "(.*)"))) or ` +
	`label_replace(0 * count(job:health_instances:count{@job}), "alertname", "no alert fires", "", "") unless on () group(ALERTS{alertstate="firing",@alerts})`

// errorShare is the alerts' error ratio now. It is 0 if there are requests without errors, and
// absent without requests.
func errorShare(by string) string {
	total := `sum ` + by + ` (rate(http_server_request_duration_seconds_count{@own}[$__rate_interval]))`
	return `(sum ` + by + ` (rate(http_server_request_duration_seconds_count{@own,` + failedRequests + `}[$__rate_interval])) or 0 * ` + total + `) / (` + total + ` > 0)`
}

func ptr(f float64) *float64 { return &f }
