package generate

const noRuns = "no metrics of runs"

// A counter's series begins with the first event, and increase() misses that one. So the first value of a new
// series counts too, if the check had a state before it.
var (
	transitions = query{legend: "{{health_check_name}} → {{health_check_state}}",
		expr: "sum by (health_check_name, health_check_state) (last_over_time(health_check_transitions_total{@check}[$__rate_interval]) unless health_check_transitions_total{@check} offset $__rate_interval" +
			" and on (job, instance, health_check_name) " + eachCheck + " offset $__rate_interval or increase(health_check_transitions_total{@check}[$__rate_interval]))"}
	failures = query{legend: "{{health_check_name}} {{error_type}}",
		expr: `sum by (health_check_name, error_type) (rate(health_check_duration_seconds_count{@check,error_type!=""}[$__rate_interval]))`}
)

func check() board {
	toInstance := link{title: "Service, only this instance", uid: "health-service", vars: []string{"job", "instance=instance"}}
	toService := link{title: "Service", uid: "health-service", vars: []string{"job", "instance"}}
	return board{
		uid: "health-check", title: "Health / Check", from: "now-6h", refresh: "1m", transitions: true, variables: []string{"check", "service"},
		about: "One check, or a few: when it failed, how, and how close its runs come to the timeout.",
		rows: []row{
			{id: 100, title: "Now", panels: []panel{
				{id: 1, title: "State, worst instance", about: "The worst state of the selected checks and instances.", w: 4, h: 5, view: tile(), states: checkStates, noData: "no telemetry", links: []link{toService},
					queries: []query{{instant: true, legend: "state", expr: checkState("", now, "@check") + " or vector(-1)"}}},
				{id: 2, title: "Instances by state", about: "How many instances are in each state. If all fail, the cause is a dependency or a release. If one fails, it is that instance.", unit: "short", w: 8, h: 5, view: plain(), links: []link{toService},
					queries: []query{{instant: true, legend: "{{health_check_state}}", expr: "sum by (health_check_state) (" + last(perCheck+", health_check_state", "health_check_status{@check}") + ")"}}},
				{id: 3, title: "Passed", about: "Share of the time range in which the check passed or warned, over all selected instances.", unit: "percentunit", w: 4, h: 5, view: tile(), decimals: ptr(2),
					steps: []step{{0, red}, {.99, yellow}, {.999, green}}, links: []link{toService}, queries: []query{{instant: true, legend: "passed",
						expr: `sum(sum_over_time(health_check_status{@check,health_check_state=~"pass|warn"}[$__range])) / sum(count_over_time(` + eachCheck + `[$__range])) and on () count(` + now(eachCheck) + `)`}}},
				{id: 4, title: "Last change", about: "When a check last entered another state, on any selected instance.", unit: "dateTimeFromNow", w: 4, h: 5, view: plain(), states: []state{silent, {0, 0, "never", "text"}}, steps: []step{{0, "text"}},
					links: []link{toService}, queries: []query{{instant: true, legend: "changed",
						expr: "1000 * max(" + now("health_check_last_transition_timestamp_seconds{@check}") + ") or 0 * count(" + now(eachCheck) + ") or vector(-1)"}}},
				{id: 5, title: "Failures in a row", about: "The highest number on any instance. A check fails when it reaches its failure threshold.", unit: "short", w: 4, h: 5, view: tile(),
					steps: []step{{0, green}, {1, yellow}, {3, red}}, states: []state{silent, {-2, -2, "a rule, not run", "text"}}, links: []link{toService},
					queries: []query{{instant: true, legend: "failures", expr: "max(" + now("health_check_consecutive_failures{@check}") + ") or 0 * count(" + now(eachCheck) + ") - 2 or vector(-1)"}}},
			}},
			{id: 101, title: "History", panels: []panel{
				{id: 10, title: "State by instance", w: 24, h: 10, view: timeline(), states: checkStates, noData: "no telemetry", links: []link{toInstance},
					about: "The worst state of each step, for the twenty rows that did not pass for the longest time. Grey: no data.",
					queries: []query{{legend: "{{who}} {{health_check_name}}", expr: named(worstOrSilent(checkState(perCheck, during, "@check"), perCheck, eachCheck,
						"max by ("+perCheck+`) (sum_over_time(health_check_status{@check,health_check_state=~"fail|stale|unknown|warn"}[$__range] @ end()))`), eachCheck)}}},
				{id: 11, title: "Transitions", about: "Changes by new state. The service counts them, so none is too short to be seen. Many changes are flapping.", unit: "short", w: 12, h: 8, view: stacked(), min: ptr(0),
					queries: []query{transitions, none(transitions, eachCheck)}},
				{id: 12, title: "Share of instances failing", about: "Share of instances on which the check fails or is stale.", unit: "percentunit", w: 12, h: 8, view: lines(), min: ptr(0), max: ptr(1),
					queries: []query{{legend: "{{job}} {{health_check_name}}",
						expr: `avg by (job, health_check_name) (sum by (job, instance, health_check_name) (health_check_status{@check,health_check_state=~"fail|stale"}))`}}},
			}},
			{id: 102, title: "Runs of active checks", panels: []panel{
				{id: 20, title: "Failures by class", about: "Failed runs a second by error.type: timeout, panic, or the error's class. Only the operators' listener has the text of errors.", unit: "ops", w: 12, h: 8, view: stacked(), min: ptr(0),
					noData: noRuns, queries: []query{failures, none(failures, "health_check_interval_seconds{@check}")}},
				{id: 21, title: "Duration against timeout", about: "How long runs take, as quantiles. A diamond is a run, with a link to its trace. Dashed: the timeout.", unit: "s", w: 12, h: 8, view: lines(), min: ptr(0),
					dashed: []string{"timeout"}, noData: noRuns, queries: append(
						quantiles("health_check_duration_seconds", "@check", "health_check_name", " {{health_check_name}}", .5, .99),
						query{legend: "{{health_check_name}} timeout", expr: `min by (health_check_name) (health_check_timeout_seconds{@check})`})},
				{id: 22, title: "Age of the last run, in intervals", about: "Time since the last run ended, divided by the interval, on the worst instance. After three intervals and a timeout the check is stale: its last result may be wrong.", unit: "short", w: 12, h: 8, view: lines(), min: ptr(0),
					steps: []step{{0, "text"}, {3, red}}, noData: noRuns, queries: []query{{legend: "{{health_check_name}}",
						expr: `max by (health_check_name) ((time() - health_check_last_run_timestamp_seconds{@check}) / on (job, instance, health_check_name) health_check_interval_seconds{@check})`}}},
				{id: 23, title: "Age of the last success", about: "Time since the last run that succeeded, on the worst instance.", unit: "s", w: 12, h: 8, view: lines(), min: ptr(0), noData: noRuns,
					queries: []query{{legend: "{{health_check_name}}", expr: `max by (health_check_name) (time() - health_check_last_success_timestamp_seconds{@check})`}}},
			}},
			{id: 103, title: "Rules", panels: []panel{
				{id: 30, title: "Value and limits", about: "A rule's value on the worst instance, and its limits, in the unit of its metric.", unit: "short", w: 24, h: 8, view: lines(), dashed: []string{"limit"},
					noData: "no rule metrics", queries: limits("$check")},
			}},
			{id: 104, title: "Traces (needs Tempo)", folded: true, panels: []panel{
				{id: 40, title: "Failing runs", about: "Spans of failed runs, with the spans of the database or HTTP client below them.", w: 24, h: 9, view: rows(sortBy("Start time", true)), unit: "short", noData: "no traces",
					queries: []query{{traces: true, expr: `{resource.service.name=~"$service" && name=~"health.check ($check)" && status=error}`}}},
			}},
		},
	}
}
