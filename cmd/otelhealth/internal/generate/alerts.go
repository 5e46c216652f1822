package generate

import (
	"fmt"
	"slices"
	"time"
)

// Severity critical wakes a person. A warning is a ticket. Trouble of one instance is a ticket,
// trouble of a service is a page.

func (d dialect) readinessRules(desired string) group {
	// Exports can be a minute apart. If a job is cut off, its instances go missing one by one
	// within that minute. Then the job is silent, and that is another alert's subject. The
	// survivors of other faults export within that minute.
	const heard = ` and on (job) group by (job) (last_over_time(health_probe_status{health_probe_name="readiness",health_probe_state="pass"}[75s]))`
	// A Config.Peers that does nothing is missed only in the outage.
	peers := each(rule{alert: "HealthPeersUnreachable", severity: "warning", wait: 15 * time.Minute, keep: 5 * time.Minute,
		expr:        last(perInstance, `health_peers_status{health_peers_state=~"foreign|refused|silent"}`) + " == 1" + inService,
		summary:     "An instance can't ask its peers.",
		description: "{{ $labels.instance }} of {{ $labels.job }} has not reached another instance for a quarter of an hour. If a dependency of all fails, it leaves without asking."},
		"job", "Several instances can't ask their peers.",
		"{{ $value }} instances of {{ $labels.job }} have not reached another one for a quarter of an hour. If a dependency of all fails, they all leave.")
	return group{"otelhealth-readiness", append(append(d.instances(desired), peers...),
		rule{alert: "HealthNoReadyInstance", severity: "critical", wait: time.Minute, keep: 2 * time.Minute,
			expr:        d.noReady(desired),
			summary:     "No instance of a service is ready.",
			description: "No instance of {{ $labels.job }} answers its readiness probe with 200, though some should be in service."},
		// With Config.Peers a fleet that fails stays in. It pages as soon as half of the capacity gone.
		rule{alert: "HealthPanic", severity: "critical", wait: 30 * time.Second, keep: 2 * time.Minute,
			expr:        "sum by (job) (" + last(perInstance, "health_panic") + ") > 0",
			summary:     "A service stays in although core checks fail on most of its instances.",
			description: "A core check fails on {{ $value }} instances of {{ $labels.job }}. They stay ready, because most of their peers don't work either."},
		// Compare with the expected instances. If nine of ten are gone, a ratio over the survivors
		// does not show it.
		rule{alert: "HealthCapacityLow", severity: "critical", wait: 30 * time.Second, keep: 2 * time.Minute,
			expr:        fmt.Sprintf("job:health_ready:ratio < %g > 0", d.settings.critical) + heard,
			summary:     "Less than " + share(d.settings.critical) + " of a service's instances are ready.",
			description: "{{ $value | humanizePercentage }} of the expected instances of {{ $labels.job }} are ready."},
		rule{alert: "HealthCapacityLow", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute,
			expr:        fmt.Sprintf("job:health_ready:ratio < %g >= %g", d.settings.low, d.settings.critical),
			summary:     "Less than " + share(d.settings.low) + " of a service's instances are ready.",
			description: "{{ $value | humanizePercentage }} of the expected instances of {{ $labels.job }} are ready."},
		d.lost("otelhealth-readiness", "health_probe_status", "health_lifecycle_status"))}
}

// lifecycleRules are about instances that don't get into service, or are kept out of it.
func (d dialect) lifecycleRules() group {
	// If a startup probe fails, the start repeats, after the kubelet's longest pause of five
	// minutes. So an instance that was starting in the last seven minutes is still starting.
	const starting = "max_over_time(job:health_instances_starting:count[7m])"
	// Divide by the instances in service or starting. Among running instances alone, the last one
	// would be 100 %.
	const startsFail = "job:health_instances_ready:count / on (job) (" + starting + " + on (job) job:health_instances_in_service:count) < 0.5" +
		" and on (job) (job:health_instances_ready:count < on (job) " + starting + ")"
	// Many instances in maintenance are one decision of somebody.
	const out = "job:health_instances_maintained:count"
	maintained := out + " / on (job) (job:health_instances:count > 0) and on (job) (" + out + " > on (job) 0.5 * job:health_instances:count or " + out + fmt.Sprintf(" > %d)", few)
	// Only a check that takes an instance out of service can explain why the instance is not ready.
	const unready = "job_instance:health_unexplained:group"
	list := append([]rule{{record: out, expr: "sum by (job) (" + lifecycle("maintenance") + ")"}, {record: unready, expr: "group by (job, instance) (" + last(perInstance, `health_probe_status{health_probe_name="readiness",health_probe_state=~"pass|warn"}`) + " == 0" + inService +
		"unless on (job, instance) (" + last(perCheck, `health_check_status{health_check_state=~"fail|stale"}`) + " == 1 and on (" + perCheck + ") (" +
		last(perCheck, `health_check_info{health_check_role=~"core|vital"}`) + " or " + last(perCheck, `health_check_override{health_check_effect="not-ready"}`) + ") == 1)" + ")"}}, each(
		rule{alert: "HealthInstanceNotReady", severity: "warning", wait: 10 * time.Minute, keep: 5 * time.Minute,
			expr:        unready + fmt.Sprintf(" unless on (job) job:health_ready:ratio < %g", d.settings.critical), // then it is the service
			summary:     "An instance is not ready, and no failing check says why.",
			description: "{{ $labels.instance }} of {{ $labels.job }} has not been ready for ten minutes, and none of its checks that take it out fails."},
		"job", "Several instances are not ready, and no failing check says why.",
		"{{ $value }} instances of {{ $labels.job }} have not been ready for ten minutes, and none of their checks that take them out fails.")...)
	list = append(list, each(
		// Other alerts exclude instances that are starting. These two find an instance that never
		// gets further, and a service whose successors all hang in their start. A rollout has one
		// or two starts at a time, beside instances that serve.
		rule{alert: "HealthStartingTooLong", severity: "warning", wait: 15 * time.Minute,
			expr: `max by (job, instance) (max_over_time(health_lifecycle_status{health_lifecycle_state="starting"}[7m])) == 1` +
				" unless on (job, instance) " + lifecycle("running") + " == 1 unless on (job) (" + startsFail + ")",
			summary:     "An instance does not get past its start.",
			description: "{{ $labels.instance }} of {{ $labels.job }} has been starting for a quarter of an hour."},
		"job", "Several instances do not get past their start.", "{{ $value }} instances of {{ $labels.job }} have been starting for a quarter of an hour.")...)
	return group{"otelhealth-lifecycle", append(list,
		rule{alert: "HealthStartingTooLong", severity: "critical", wait: 10 * time.Minute,
			expr:        startsFail,
			summary:     "Most instances of a service do not get past their start.",
			description: "For ten minutes more instances of {{ $labels.job }} have been starting than were ready: {{ $value | humanizePercentage }} of all are ready now."},
		rule{alert: "HealthMaintenanceTooLong", severity: "warning", wait: 4 * time.Hour,
			expr:    lifecycle("maintenance") + " == 1 unless on (job) (" + maintained + ") or " + maintained,
			summary: "Instances have been in maintenance for more than four hours.",
			description: "{{ if $labels.instance }}" + onInstance + " of " + ofJob + " has{{ else }}{{ $value | humanizePercentage }} of the instances of " + ofJob +
				" have{{ end }} taken no traffic for four hours, because somebody said so."},
		d.lost("otelhealth-lifecycle", "health_lifecycle_status"))}
}

// share formats a limit in a summary.
func share(part float64) string {
	if part == .5 {
		return "half"
	}
	return fmt.Sprintf("%g%%", 100*part)
}

// noReady: no instance is ready, and they did not all drain in order. If the cluster knows the
// desired number, it also finds a job of which no instance came back.
func (d dialect) noReady(desired string) string {
	const none, left = "job:health_instances_ready:count == 0 and on (job) job:health_instances_expected:count > 0", "job:health_instances_left:bool == 1"
	if desired == "" {
		return none + " unless on (job) " + left
	}
	return none + " unless on (job) (" + left + " unless on (job) job:health_instances_desired:count)" +
		" or (job:health_instances_desired:count > 0 and on (job) last_over_time(job:health_instances:count[" + remembered + "]) unless on (job) job:health_instances:count" + d.blind() + ")"
}

// fleetWide finds a check that fails, hangs or flaps on most of several instances. Then the trouble
// is in something they share.
const fleetWide = "(job_check:health_check_failing:ratio > 0.5 or job_check:health_check_flapping:ratio > 0.5) and on (job) job:health_instances_in_service:count > 1"

// enforced is the same of those instances alone that the check takes out of service. In shadow it is
// informational. So a canary that enforces a check does not make an outage of what the others only show.
const enforced = "(job_check:health_check_failing_enforced:ratio > 0.5 or job_check:health_check_flapping_enforced:ratio > 0.5) and on (job) job:health_instances_in_service:count > 1"

// notFleetWide leaves out what is told for the service.
const notFleetWide = "unless on (job, health_check_name) (" + fleetWide + ")"

// wasFleetWide: after a shared dependency is back, single instances still have its flaps in their
// last half hour.
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
			summary:     "A check fails on most instances of a service.",
			description: "Check {{ $labels.health_check_name }} fails, hangs or flaps on {{ $value | humanizePercentage }} of the instances of {{ $labels.job }}: something that they share is down or wrong. " + consequence}
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
		summary:     "A check fails on an instance.",
		description: "Check {{ $labels.health_check_name }} fails on {{ $labels.instance }} of {{ $labels.job }}, and not on most others."},
		jobCheck, "A check fails on several instances.",
		"Check {{ $labels.health_check_name }} fails on {{ $value }} instances of {{ $labels.job }}, and not on most others.")
	stale := each(rule{alert: "HealthCheckStale", severity: "warning", wait: 2 * time.Minute, keep: 5 * time.Minute,
		expr:        hangs + " " + notFleetWide,
		summary:     "A check no longer runs, or its evidence is old.",
		description: "Check {{ $labels.health_check_name }} on {{ $labels.instance }} of {{ $labels.job }} says nothing new; what it said last may be wrong by now."},
		jobCheck, "A check no longer runs on several instances, or its evidence is old.",
		"Check {{ $labels.health_check_name }} on {{ $value }} instances of {{ $labels.job }} says nothing new; what it said last may be wrong by now.")
	flapping := each(rule{alert: "HealthCheckFlapping", severity: "warning", wait: 2 * time.Minute, keep: 15 * time.Minute,
		expr:        flaps + " unless on (job, health_check_name) (" + wasFleetWide + ")",
		summary:     "A check changes its state again and again.",
		description: "Check {{ $labels.health_check_name }} on {{ $labels.instance }} of {{ $labels.job }} has changed its state {{ $value | humanize }} times in half an hour."},
		jobCheck, "A check changes its state again and again on several instances.",
		"Check {{ $labels.health_check_name }} on {{ $value }} instances of {{ $labels.job }} has changed its state more than six times in half an hour.")
	return group{"otelhealth-checks", slices.Concat([]rule{
		{record: fails, expr: last(perCheck, `health_check_status{health_check_state="fail"}`) + " == 1" + inService},
		{record: hangs, expr: hung() + inService},
		// The counter, because samples of the state miss most changes.
		{record: flaps, expr: "sum by (" + perCheck + ") (increase(health_check_transitions_total[30m])) > 6" + inService},
		// Divide by all instances in service, not by those with the check. During a rollout only
		// the first new instance has a new check, and it would be 100 %.
		{record: "job_check:health_check_failing:ratio",
			expr: "count by (job, health_check_name) (" + fails + " or " + hangs + ")" + inAll},
		{record: "job_check:health_check_flapping:ratio", expr: "count by (job, health_check_name) (" + flaps + ")" + inAll},
		{record: "job_check:health_check_failing_enforced:ratio",
			expr: "count by (job, health_check_name) ((" + fails + " or " + hangs + ")" + takesOut + ")" + inAll},
		{record: "job_check:health_check_flapping_enforced:ratio", expr: "count by (job, health_check_name) (" + flaps + takesOut + ")" + inAll},
		shared("critical", enforced, "Such a check takes instances out of service."),
		shared("warning", "("+fleetWide+") and on (job, health_check_name) last_over_time(health_check_info["+fresh+"]) unless on (job, health_check_name) ("+enforced+")",
			"Such a check takes few instances or none out of service."),
	}, failing, stale, flapping, []rule{
		{alert: "HealthOverrideLeftOn", severity: "warning", wait: time.Hour,
			expr:        last("job, health_check_name, health_check_effect", "health_check_override") + " == 1",
			summary:     "An operator's override has been on for an hour.",
			description: "For an hour, failing of check {{ $labels.health_check_name }} of {{ $labels.job }} has had the effect {{ $labels.health_check_effect }}, by an operator's override."},
		d.lost("otelhealth-checks", "health_check_status", "health_check_info"),
	})}
}

func (d dialect) requestRules() group {
	const age = "job_instance:http_server_oldest_request_age_seconds:max"
	return group{"otelhealth-requests", append(append([]rule{{record: age, expr: last(perInstance, "http_server_oldest_request_age_seconds") + notOut}}, both(
		rule{wait: 2 * time.Minute, keep: 2 * time.Minute,
			expr:        age + " > 60",
			summary:     "A request has hung on an instance for more than a minute.",
			description: "The oldest request that {{ $labels.instance }} of {{ $labels.job }} has not answered is {{ $value | humanizeDuration }} old."},
		rule{alert: "HttpRequestsHung", wait: 2 * time.Minute, keep: 2 * time.Minute,
			expr:        "avg by (job) (" + age + " > bool 60) > 0.5",
			summary:     "Requests hang on most instances of a service.",
			description: "On {{ $value | humanizePercentage }} of the instances of {{ $labels.job }} a request has been waiting for more than a minute. What never ends is in no latency."},
		"job", "Requests hang on several instances.", "On {{ $value }} instances of {{ $labels.job }} a request has been waiting for more than a minute.")...),
		d.lost("otelhealth-requests", "http_server_oldest_request_age_seconds"))}
}

func (d dialect) queueRules() group {
	const perQueue, jobQueue = "job, instance, queue_name", "job, queue_name"
	// Other teams have metrics of these names, too, with other labels.
	length, capacity := "("+last(perQueue, `queue_length{queue_name!=""}`)+ours+")", "("+last(perQueue, `queue_capacity{queue_name!=""}`)+ours+")"
	const (
		fill    = "job_instance_queue:queue_fill:ratio"
		taken   = "job_queue:queue_taken:rate5m"
		stalled = "job_instance_queue:queue_stalled:length"
	)
	waiting := "(min by (" + perQueue + `) (min_over_time(queue_length{queue_name!=""}[5m]))` + ours + ")"
	took := func(by string) string {
		return "sum by (" + by + ") (" + d.counts("queue_wait_duration_seconds", "", "5m") + ")"
	}
	const fillOfAll = "avg by (" + jobQueue + ") (" + fill + ")"
	recorded := []rule{
		{record: fill, expr: length + " / on (" + perQueue + ") (" + capacity + " > 0)" + notOut},
		{record: taken, expr: took(jobQueue) + ours},
		// Instances that are there, and were minutes ago. In a crash loop most are dead or new.
		{record: stalled, expr: "(" + waiting + " > 0 unless on (" + perQueue + ") " + took(perQueue) + " > 0) and on (" + perQueue + ") " + last(perQueue, `queue_length{queue_name!=""}`) +
			" and on (" + perQueue + ") max by (" + perQueue + `) (last_over_time(queue_length{queue_name!=""}[2m] offset 3m))` + notOut},
	}
	rules := both(
		rule{wait: 5 * time.Minute, keep: 5 * time.Minute,
			expr:        fill + " > 0.9",
			summary:     "A queue of an instance is nearly full.",
			description: "Queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }} is {{ $value | humanizePercentage }} full."},
		rule{alert: "QueueNearlyFull", wait: 5 * time.Minute, keep: 5 * time.Minute,
			// An idle one beside full ones helps nobody.
			expr:        fillOfAll + " and on (" + jobQueue + ") (" + fillOfAll + " > 0.9 or avg by (" + jobQueue + ") (" + fill + " > bool 0.9) > 0.5)",
			summary:     "A queue is nearly full on most instances of a service.",
			description: "Queue {{ $labels.queue_name }} of {{ $labels.job }} is {{ $value | humanizePercentage }} full on average over the instances, and nearly full on most; what comes when it is full is refused."},
		jobQueue, "A queue is nearly full on several instances.", "Queue {{ $labels.queue_name }} is more than 90% full on {{ $value }} instances of {{ $labels.job }}.")
	// Below 30 % the forecast of a volatile queue means nothing.
	rules = append(rules, each(rule{alert: "QueuePredictedFull", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute,
		expr: "max by (" + perQueue + ") (predict_linear(queue_length{queue_name!=\"\"}[15m], 1800)) > on (" + perQueue + ") (" + last(perQueue, `queue_capacity{queue_name!=""}`) + " > 0)" +
			" and on (" + perQueue + ") (" + fill + " > 0.3 <= 0.9)",
		summary:     "A queue will be full within half an hour.",
		description: "Queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }} grows. At the pace of the last quarter of an hour it will hold {{ $value | printf \"%.0f\" }} items in half an hour. That is more than it can hold, and what comes then is refused."},
		jobQueue, "A queue will be full within half an hour on several instances.",
		"Queue {{ $labels.queue_name }} of {{ $labels.job }} grows. At the pace of the last quarter of an hour it will be full on {{ $value }} instances in half an hour, and what comes then is refused.")...)
	rules = append(rules, both(
		rule{wait: 5 * time.Minute, keep: 2 * time.Minute,
			expr:        stalled,
			summary:     "Nothing is taken from a queue of an instance.",
			description: "In queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }} items wait, and for five minutes none has been taken."},
		rule{alert: "QueueStalled", wait: 5 * time.Minute, keep: 10 * time.Minute, // until the queue is no longer nearly full
			expr: "sum by (" + jobQueue + ") (" + stalled + ") and on (" + jobQueue + ") (count by (" + jobQueue + ") (" + stalled + ") / on (" + jobQueue +
				") count by (" + jobQueue + ") (" + fill + ") > 0.5 or group by (" + jobQueue + ") (" + stalled + ") unless on (" + jobQueue + ") " + taken + " > 0)",
			summary:     "Nothing is taken from a queue on most instances of a service.",
			description: "In queue {{ $labels.queue_name }} of {{ $labels.job }} {{ $value | humanize }} items wait, and for five minutes most instances have taken none."},
		jobQueue, "Nothing is taken from a queue on several instances.",
		"In queue {{ $labels.queue_name }} on {{ $value }} instances of {{ $labels.job }} items wait, and for five minutes none has been taken there.")...)
	return group{"otelhealth-queues", append(append(recorded, rules...), d.canary("otelhealth-queues", "queue_length", "queue_capacity", d.part("queue_wait_duration_seconds", "_count")))}
}
