package generate

import (
	"fmt"
	"slices"
	"time"
)

// Severity critical is a page, and wakes a person. A warning is a ticket. A problem of one instance is a
// ticket, a problem of a service is a page.

func (d dialect) readinessRules(desired string) group {
	// Exports can be a minute apart. If the network cuts a job off, its instances go missing one by one
	// within that minute. Then the whole job is silent, and another alert reports that. After other
	// faults some instances survive, and export within that minute.
	const heard = ` and on (job) group by (job) (last_over_time(health_probe_status{health_probe_name="readiness",health_probe_state="pass"}[75s]))`
	// Without this alert, a Config.Peers that does not work shows only in the outage.
	peers := each(rule{alert: "HealthPeersUnreachable", severity: "warning", wait: 15 * time.Minute, keep: 5 * time.Minute,
		expr:        last(perInstance, `health_peers_status{health_peers_state=~"foreign|refused|silent"}`) + " == 1" + inService,
		summary:     "An instance of {{ $labels.job }} can't reach its peers.",
		description: "{{ $labels.instance }} of {{ $labels.job }} has reached no other instance for 15 minutes. If a shared dependency fails, it becomes not ready without asking its peers. First look in its log for Config.Peers: the line says what to change."},
		"job", "{{ $value }} instances of {{ $labels.job }} can't reach their peers.",
		"{{ $value }} instances of {{ $labels.job }} have reached no other instance for 15 minutes. If a shared dependency fails, they all become not ready. First look in the log of one for Config.Peers: the line says what to change.")
	return group{"otelhealth-readiness", append(append(d.instances(desired), peers...),
		rule{alert: "HealthNoReadyInstance", severity: "critical", wait: time.Minute, keep: 2 * time.Minute,
			expr:        d.noReady(desired),
			summary:     "No instance of {{ $labels.job }} is ready.",
			description: "No instance of {{ $labels.job }} answers its readiness probe with 200, so none gets traffic. At least one should be in service. First list the pods, and ask /ready of one: output is the reason."},
		// With Config.Peers instances stay ready while most of their peers fail too, so HealthNoReadyInstance
		// does not fire. This alert pages in its place, as early as HealthCapacityLow does.
		rule{alert: "HealthPanic", severity: "critical", wait: 30 * time.Second, keep: 2 * time.Minute,
			expr:        "sum by (job) (" + last(perInstance, "health_panic") + ") > 0",
			summary:     "Core checks fail on {{ $labels.job }}, and it stays ready (instances: {{ $value }}).",
			description: "A core check fails on {{ $value }} instances of {{ $labels.job }}. They stay ready because most of their peers fail too. Requests that need the dependency fail. First ask /status.json of one: output names the check. Don't restart the pods: new ones stay out."},
		// Compare with the expected instances. If nine of ten are gone, a ratio over the survivors
		// does not show it.
		rule{alert: "HealthCapacityLow", severity: "critical", wait: 30 * time.Second, keep: 2 * time.Minute,
			expr:        fmt.Sprintf("job:health_ready:ratio < %g > 0", d.settings.critical) + heard,
			summary:     "Only {{ $value | humanizePercentage }} of the instances of {{ $labels.job }} are ready.",
			description: "{{ $value | humanizePercentage }} of the expected instances of {{ $labels.job }} are ready, less than " + share(d.settings.critical) + ". " + lowFirst},
		rule{alert: "HealthCapacityLow", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute,
			expr:        fmt.Sprintf("job:health_ready:ratio < %g >= %g", d.settings.low, d.settings.critical),
			summary:     "Only {{ $value | humanizePercentage }} of the instances of {{ $labels.job }} are ready.",
			description: "{{ $value | humanizePercentage }} of the expected instances of {{ $labels.job }} are ready, less than " + share(d.settings.low) + ". " + lowFirst},
		d.lost("otelhealth-readiness", "health_probe_status", "health_lifecycle_status"))}
}

// lowFirst is the first thing to do if capacity is low.
const lowFirst = "The rest carry the whole load. First list the pods: some are gone, or not ready. /ready of one that is not ready has the reason."

// lifecycleRules are about instances that don't get into service, or are kept out of it.
func (d dialect) lifecycleRules() group {
	// If a startup probe fails, the kubelet starts the container again, after five minutes at most. So an
	// instance that was starting in the last seven minutes counts as starting.
	const starting = "max_over_time(job:health_instances_starting:count[7m])"
	// Divide by the instances in service or starting. Divided by those in service alone, the last ready one
	// would be 100 %.
	const startsFail = "job:health_instances_ready:count / on (job) (" + starting + " + on (job) job:health_instances_in_service:count) < 0.5" +
		" and on (job) (job:health_instances_ready:count < on (job) " + starting + ")"
	// If many instances are in maintenance, one person decided that, so they have one alert.
	const out = "job:health_instances_maintained:count"
	maintained := out + " / on (job) (job:health_instances:count > 0) and on (job) (" + out + " > on (job) 0.5 * job:health_instances:count or " + out + fmt.Sprintf(" > %d)", few)
	// Only a check that takes an instance out of service can explain why the instance is not ready.
	const unready = "job_instance:health_unexplained:group"
	list := append([]rule{{record: out, expr: "sum by (job) (" + lifecycle("maintenance") + ")"}, {record: unready, expr: "group by (job, instance) (" + last(perInstance, `health_probe_status{health_probe_name="readiness",health_probe_state=~"pass|warn"}`) + " == 0" + inService +
		"unless on (job, instance) (" + last(perCheck, `health_check_status{health_check_state=~"fail|stale"}`) + " == 1 and on (" + perCheck + ") (" +
		last(perCheck, `health_check_info{health_check_role=~"core|vital"}`) + " or " + last(perCheck, `health_check_override{health_check_effect="not-ready"}`) + ") == 1)" + ")"}}, each(
		rule{alert: "HealthInstanceNotReady", severity: "warning", wait: 10 * time.Minute, keep: 5 * time.Minute,
			expr:        unready + fmt.Sprintf(" unless on (job) job:health_ready:ratio < %g", d.settings.critical), // then it is the service
			summary:     "An instance of {{ $labels.job }} is not ready, and no failing check explains it.",
			description: "{{ $labels.instance }} of {{ $labels.job }} has not been ready for ten minutes. None of the checks that can take it out fails. First ask its /ready?verbose: look for a core check with status unknown, or a time that stands still."},
		"job", "{{ $value }} instances of {{ $labels.job }} are not ready, and no failing check explains it.",
		"{{ $value }} instances of {{ $labels.job }} have not been ready for ten minutes. None of the checks that can take them out fails. First ask /ready?verbose of one: look for a core check with status unknown, or a time that stands still.")...)
	list = append(list, each(
		// Other alerts exclude instances that are starting. These two find an instance whose start never
		// ends, and a service whose new instances all hang in their start. A rollout has only one or two
		// starts at a time, beside instances that serve.
		rule{alert: "HealthStartingTooLong", severity: "warning", wait: 15 * time.Minute,
			expr: `max by (job, instance) (max_over_time(health_lifecycle_status{health_lifecycle_state="starting"}[7m])) == 1` +
				" unless on (job, instance) " + lifecycle("running") + " == 1 unless on (job) (" + startsFail + ")",
			summary:     "An instance of {{ $labels.job }} has been starting for 15 minutes.",
			description: "{{ $labels.instance }} of {{ $labels.job }} has been starting for 15 minutes, and gets no traffic. First ask its /startup: output says what it waits for."},
		"job", "{{ $value }} instances of {{ $labels.job }} have been starting for 15 minutes.",
		"{{ $value }} instances of {{ $labels.job }} have been starting for 15 minutes, and get no traffic. First ask /startup of one: output says what it waits for.")...)
	return group{"otelhealth-lifecycle", append(list,
		rule{alert: "HealthStartingTooLong", severity: "critical", wait: 10 * time.Minute,
			expr:        startsFail,
			summary:     "Instances of {{ $labels.job }} don't finish starting: {{ $value | humanizePercentage }} are ready.",
			description: "For ten minutes more instances of {{ $labels.job }} have been starting than were ready. {{ $value | humanizePercentage }} are ready now. First ask /startup of one that is starting: output says what it waits for."},
		rule{alert: "HealthMaintenanceTooLong", severity: "warning", wait: 4 * time.Hour,
			expr:    lifecycle("maintenance") + " == 1 unless on (job) (" + maintained + ") or " + maintained,
			summary: "Instances of {{ $labels.job }} have been in maintenance for four hours.",
			description: "{{ if $labels.instance }}" + onInstance + " of " + ofJob + " has{{ else }}{{ $value | humanizePercentage }} of the instances of " + ofJob +
				" have{{ end }} been in maintenance for four hours, without traffic. First ask /ready: output has the reason that an operator gave. Ask that person."},
		d.lost("otelhealth-lifecycle", "health_lifecycle_status"))}
}

// share formats a limit in a summary.
func share(part float64) string {
	if part == .5 {
		return "half"
	}
	return fmt.Sprintf("%g%%", 100*part)
}

// noReady finds a job without a ready instance, unless all drained in order. With the desired number it
// also finds a job whose instances all drained and did not come back.
func (d dialect) noReady(desired string) string {
	const none, left = "job:health_instances_ready:count == 0 and on (job) job:health_instances_expected:count > 0", "job:health_instances_left:bool == 1"
	if desired == "" {
		return none + " unless on (job) " + left
	}
	return none + " unless on (job) (" + left + " unless on (job) job:health_instances_desired:count)" +
		" or (job:health_instances_desired:count > 0 and on (job) last_over_time(job:health_instances:count[" + remembered + "]) unless on (job) job:health_instances:count" + d.blind() + ")"
}

// fleetWide finds a check that fails, hangs or flaps on most of several instances. Then the cause is
// something that they share.
const fleetWide = "(job_check:health_check_failing:ratio > 0.5 or job_check:health_check_flapping:ratio > 0.5) and on (job) job:health_instances_in_service:count > 1"

// enforced counts only the instances that the check can take out of service. In shadow a check is
// informational. So if one canary enforces a check and the other instances only show it, that is no outage.
const enforced = "(job_check:health_check_failing_enforced:ratio > 0.5 or job_check:health_check_flapping_enforced:ratio > 0.5) and on (job) job:health_instances_in_service:count > 1"

// notFleetWide leaves out checks that have an alert for the service.
const notFleetWide = "unless on (job, health_check_name) (" + fleetWide + ")"

// wasFleetWide also covers the half hour after a shared dependency is back, because the flaps still count
// on each instance for that long.
const wasFleetWide = "(max_over_time(job_check:health_check_failing:ratio[30m]) > 0.5 or max_over_time(job_check:health_check_flapping:ratio[30m]) > 0.5)" +
	" and on (job) job:health_instances_in_service:count > 1"

// hung finds a check that no longer runs. It reads the state stale and the clock, because an
// instance that has stopped judging can't report it.
func hung() string {
	return "(time() - " + last(perCheck, "health_check_last_run_timestamp_seconds") +
		" > on (" + perCheck + ") 3 * " + last(perCheck, "health_check_interval_seconds") +
		" + on (" + perCheck + ") " + last(perCheck, "health_check_timeout_seconds") + " + 60" +
		" or " + last(perCheck, `health_check_status{health_check_state="stale"}`) + " == 1)"
}

func (d dialect) checkRules() group {
	shared := func(severity, expr, consequence string) rule {
		return rule{alert: "HealthDependencyDown", severity: severity, wait: 2 * time.Minute, keep: 2 * time.Minute,
			expr:        expr,
			summary:     "Check {{ $labels.health_check_name }} fails on {{ $value | humanizePercentage }} of the instances of {{ $labels.job }}.",
			description: "Check {{ $labels.health_check_name }} fails, hangs or flaps on {{ $value | humanizePercentage }} of the instances of {{ $labels.job }}. Something that they share is down or wrong. " + consequence + " First ask /status.json of one for the error, and see whether other services fail too. Don't restart: it does not help."}
	}
	takesOut := " and on (" + perCheck + ") " + last(perCheck, `health_check_info{health_check_role=~"core|vital"}`) + " == 1"
	inAll := " / on (job) group_left () sum by (job) (" + lifecycle("running") + ")"
	const (
		jobCheck = "job, health_check_name"
		fails    = "job_instance_check:health_check_fails:max"
		hangs    = "job_instance_check:health_check_hangs:max"
		flaps    = "job_instance_check:health_check_flaps:increase30m"
	)
	failing := each(rule{alert: "HealthCheckFailing", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute,
		expr:        fails + " " + notFleetWide,
		summary:     "Check {{ $labels.health_check_name }} fails on an instance of {{ $labels.job }}.",
		description: "Check {{ $labels.health_check_name }} fails on {{ $labels.instance }} of {{ $labels.job }}, but not on most instances. Look at this instance, its node and its network. First ask its /status.json for the error."},
		jobCheck, "Check {{ $labels.health_check_name }} fails on {{ $value }} instances of {{ $labels.job }}.",
		"Check {{ $labels.health_check_name }} fails on {{ $value }} instances of {{ $labels.job }}, but not on most. First see what these share: a node, a zone or a version.")
	stale := each(rule{alert: "HealthCheckStale", severity: "warning", wait: 2 * time.Minute, keep: 5 * time.Minute,
		expr:        hangs + " " + notFleetWide,
		summary:     "Check {{ $labels.health_check_name }} gives no new result on an instance of {{ $labels.job }}.",
		description: "Check {{ $labels.health_check_name }} gives no new result on {{ $labels.instance }} of {{ $labels.job }}, so its last result may be wrong. If there is a black box, first save /blackbox/now of its operators' listener: it shows the call that hangs."},
		jobCheck, "Check {{ $labels.health_check_name }} gives no new result on {{ $value }} instances of {{ $labels.job }}.",
		"Check {{ $labels.health_check_name }} gives no new result on {{ $value }} instances of {{ $labels.job }}, so its last result may be wrong. First see what these share: a node or a version. If there is a black box, save /blackbox/now of one: it shows the call that hangs.")
	flapping := each(rule{alert: "HealthCheckFlapping", severity: "warning", wait: 2 * time.Minute, keep: 15 * time.Minute,
		expr:        flaps + " unless on (job, health_check_name) (" + wasFleetWide + ")",
		summary:     "Check {{ $labels.health_check_name }} keeps changing its state on an instance of {{ $labels.job }}.",
		description: "Check {{ $labels.health_check_name }} on {{ $labels.instance }} of {{ $labels.job }} has changed its state {{ $value | humanize }} times in half an hour. First see on the Check dashboard between which states, and how far its value is from the limit."},
		jobCheck, "Check {{ $labels.health_check_name }} keeps changing its state on {{ $value }} instances of {{ $labels.job }}.",
		"Check {{ $labels.health_check_name }} on {{ $value }} instances of {{ $labels.job }} has changed its state more than six times in half an hour. First see on the Check dashboard between which states, and how far its value is from the limit.")
	return group{"otelhealth-checks", slices.Concat([]rule{
		{record: fails, expr: last(perCheck, `health_check_status{health_check_state="fail"}`) + " == 1" + inService},
		{record: hangs, expr: hung() + inService},
		// The counter, because samples of the state miss most changes.
		{record: flaps, expr: "sum by (" + perCheck + ") (increase(health_check_transitions_total[30m])) > 6" + inService},
		// Divide by all instances in service, not by those with the check. Early in a rollout one instance
		// alone has a new check, and would be 100 %.
		{record: "job_check:health_check_failing:ratio",
			expr: "count by (job, health_check_name) (" + fails + " or " + hangs + ")" + inAll},
		{record: "job_check:health_check_flapping:ratio", expr: "count by (job, health_check_name) (" + flaps + ")" + inAll},
		{record: "job_check:health_check_failing_enforced:ratio",
			expr: "count by (job, health_check_name) ((" + fails + " or " + hangs + ")" + takesOut + ")" + inAll},
		{record: "job_check:health_check_flapping_enforced:ratio", expr: "count by (job, health_check_name) (" + flaps + takesOut + ")" + inAll},
		shared("critical", enforced, "The check takes these instances out of service."),
		shared("warning", "("+fleetWide+") and on (job, health_check_name) last_over_time(health_check_info["+fresh+"]) unless on (job, health_check_name) ("+enforced+")",
			"The check takes few instances or none out of service."),
	}, failing, stale, flapping, []rule{
		{alert: "HealthOverrideLeftOn", severity: "warning", wait: time.Hour,
			expr:        last("job, health_check_name, health_check_effect", "health_check_override") + " == 1",
			summary:     "An override of check {{ $labels.health_check_name }} of {{ $labels.job }} has been on for an hour.",
			description: "For an hour, an operator's override has given failures of check {{ $labels.health_check_name }} of {{ $labels.job }} the effect {{ $labels.health_check_effect }}. First ask /ready?verbose. If the check passes, remove the override."},
		d.lost("otelhealth-checks", "health_check_status", "health_check_info"),
	})}
}

func (d dialect) requestRules() group {
	const (
		age  = "job_instance:http_server_oldest_request_age_seconds:max"
		save = "If there is a black box, first save /blackbox/now of an operators' listener: it shows where requests hang."
	)
	return group{"otelhealth-requests", append(append([]rule{{record: age, expr: last(perInstance, "http_server_oldest_request_age_seconds") + notOut}}, both(
		rule{wait: 2 * time.Minute, keep: 2 * time.Minute,
			expr:        age + " > 60",
			summary:     "A request to an instance of {{ $labels.job }} has waited for {{ $value | humanizeDuration }}.",
			description: "The oldest request that {{ $labels.instance }} of {{ $labels.job }} has not answered is {{ $value | humanizeDuration }} old. For a stream or a long poll that is normal. " + save},
		rule{alert: "HttpRequestsHung", wait: 2 * time.Minute, keep: 2 * time.Minute,
			expr:        "avg by (job) (" + age + " > bool 60) > 0.5",
			summary:     "Requests hang on {{ $value | humanizePercentage }} of the instances of {{ $labels.job }}.",
			description: "On {{ $value | humanizePercentage }} of the instances of {{ $labels.job }} a request has waited for more than a minute. Latency does not show it, because these requests have not ended. " + save},
		"job", "Requests hang on {{ $value }} instances of {{ $labels.job }}.",
		"On {{ $value }} instances of {{ $labels.job }} a request has waited for more than a minute. "+save)...),
		d.lost("otelhealth-requests", "http_server_oldest_request_age_seconds"))}
}

func (d dialect) queueRules() group {
	const perQueue, jobQueue = "job, instance, queue_name", "job, queue_name"
	// Other teams have metrics of these names too, with other labels.
	length, capacity := "("+last(perQueue, `queue_length{queue_name!=""}`)+ours+")", "("+last(perQueue, `queue_capacity{queue_name!=""}`)+ours+")"
	const (
		fill    = "job_instance_queue:queue_fill:ratio"
		taken   = "job_queue:queue_taken:rate5m"
		stalled = "job_instance_queue:queue_stalled:length"

		fills = "A full queue refuses items. First compare how many items a second are taken with the usual number: as many means more load, fewer means slow workers."
		stuck = "If there is a black box, first save /blackbox/now of an operators' listener: it shows where workers hang."
	)
	waiting := "(min by (" + perQueue + `) (min_over_time(queue_length{queue_name!=""}[5m]))` + ours + ")"
	took := func(by string) string {
		return "sum by (" + by + ") (" + d.counts("queue_wait_duration_seconds", "", "5m") + ")"
	}
	const fillOfAll = "avg by (" + jobQueue + ") (" + fill + ")"
	recorded := []rule{
		{record: fill, expr: length + " / on (" + perQueue + ") (" + capacity + " > 0)" + notOut},
		{record: taken, expr: took(jobQueue) + ours},
		// Only instances that are here now and were here minutes ago. In a crash loop most are dead or new.
		{record: stalled, expr: "(" + waiting + " > 0 unless on (" + perQueue + ") " + took(perQueue) + " > 0) and on (" + perQueue + ") " + last(perQueue, `queue_length{queue_name!=""}`) +
			" and on (" + perQueue + ") max by (" + perQueue + `) (last_over_time(queue_length{queue_name!=""}[2m] offset 3m))` + notOut},
	}
	rules := both(
		rule{wait: 5 * time.Minute, keep: 5 * time.Minute,
			expr:        fill + " > 0.9",
			summary:     "Queue {{ $labels.queue_name }} of an instance of {{ $labels.job }} is {{ $value | humanizePercentage }} full.",
			description: "Queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }} is {{ $value | humanizePercentage }} full. " + fills},
		rule{alert: "QueueNearlyFull", wait: 5 * time.Minute, keep: 5 * time.Minute,
			// An idle queue on another instance does not help the full ones.
			expr:        fillOfAll + " and on (" + jobQueue + ") (" + fillOfAll + " > 0.9 or avg by (" + jobQueue + ") (" + fill + " > bool 0.9) > 0.5)",
			summary:     "Queue {{ $labels.queue_name }} of {{ $labels.job }} is {{ $value | humanizePercentage }} full on average.",
			description: "Queue {{ $labels.queue_name }} of {{ $labels.job }} is {{ $value | humanizePercentage }} full on average over the instances, and more than 90% on average or on most of them. " + fills},
		jobQueue, "Queue {{ $labels.queue_name }} is nearly full on {{ $value }} instances of {{ $labels.job }}.",
		"Queue {{ $labels.queue_name }} is more than 90% full on {{ $value }} instances of {{ $labels.job }}. "+fills)
	// Below 30 % the forecast of a volatile queue means nothing.
	rules = append(rules, each(rule{alert: "QueuePredictedFull", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute,
		expr: "max by (" + perQueue + ") (predict_linear(queue_length{queue_name!=\"\"}[15m], 1800)) > on (" + perQueue + ") (" + last(perQueue, `queue_capacity{queue_name!=""}`) + " > 0)" +
			" and on (" + perQueue + ") (" + fill + " > 0.3 <= 0.9)",
		summary:     "Queue {{ $labels.queue_name }} of an instance of {{ $labels.job }} will be full in half an hour.",
		description: "Queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }} grows. At the rate of the last 15 minutes it would reach {{ $value | printf \"%.0f\" }} items in half an hour, more than its capacity. " + fills},
		jobQueue, "Queue {{ $labels.queue_name }} of {{ $labels.job }} will be full on {{ $value }} instances in half an hour.",
		"Queue {{ $labels.queue_name }} of {{ $labels.job }} grows. At the rate of the last 15 minutes it will be full on {{ $value }} instances in half an hour. "+fills)...)
	rules = append(rules, both(
		rule{wait: 5 * time.Minute, keep: 2 * time.Minute,
			expr:        stalled,
			summary:     "Nothing is taken from queue {{ $labels.queue_name }} of an instance of {{ $labels.job }}.",
			description: "Items wait in queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }}, and for five minutes none has been taken. " + stuck},
		rule{alert: "QueueStalled", wait: 5 * time.Minute, keep: 10 * time.Minute, // until the queue is no longer nearly full
			expr: "sum by (" + jobQueue + ") (" + stalled + ") and on (" + jobQueue + ") (count by (" + jobQueue + ") (" + stalled + ") / on (" + jobQueue +
				") count by (" + jobQueue + ") (" + fill + ") > 0.5 or group by (" + jobQueue + ") (" + stalled + ") unless on (" + jobQueue + ") " + taken + " > 0)",
			summary:     "{{ $value | humanize }} items wait in queue {{ $labels.queue_name }} of {{ $labels.job }}, and most instances take none.",
			description: "{{ $value | humanize }} items wait in queue {{ $labels.queue_name }} of {{ $labels.job }}, and for five minutes most instances have taken none. " + stuck + " If all instances hang, what they wait for is down, and a restart does not help."},
		jobQueue, "Nothing is taken from queue {{ $labels.queue_name }} on {{ $value }} instances of {{ $labels.job }}.",
		"Items wait in queue {{ $labels.queue_name }} on {{ $value }} instances of {{ $labels.job }}, and for five minutes none has been taken there. "+stuck)...)
	return group{"otelhealth-queues", append(append(recorded, rules...), d.canary("otelhealth-queues", "queue_length", "queue_capacity", d.part("queue_wait_duration_seconds", "_count")))}
}
