package main

import (
	"fmt"
	"strings"
	"time"
)

// Severity critical wakes a person. A warning is a ticket. Trouble of one instance is a ticket,
// trouble of a service is a page.

func (d dialect) readinessRules(desired string) group {
	// Exports can be a minute apart. If a job is cut off, its instances go missing one by one
	// within that minute. Then the job is silent, and that is another alert's subject. The
	// survivors of other faults export within that minute.
	const heard = ` and on (job) group by (job) (last_over_time(health_probe_status{health_probe_name="readiness"}[75s]))`
	// If a startup probe fails, the start repeats, after the kubelet's longest pause of five
	// minutes. So an instance that was starting in the last seven minutes is still starting.
	const starting = "max_over_time(job:health_instances_starting:count[7m])"
	// Divide by the instances in service or starting. Among running instances alone, the last one
	// would be 100 %.
	const startsFail = "job:health_instances_ready:count / on (job) (" + starting + " + on (job) job:health_instances_in_service:count) < 0.5" +
		" and on (job) (job:health_instances_ready:count < on (job) " + starting + ")"
	return group{"otelhealth-readiness", append(d.instances(desired),
		rule{alert: "HealthNoReadyInstance", severity: "critical", wait: time.Minute, keep: 2 * time.Minute,
			expr:        noReady(desired),
			summary:     "No instance of a service is ready.",
			description: "No instance of {{ $labels.job }} answers its readiness probe with 200, though some should be in service."},
		// Compare with the expected instances. If nine of ten are gone, a ratio over the survivors
		// does not show it.
		rule{alert: "HealthCapacityLow", severity: "critical", wait: 30 * time.Second, keep: 2 * time.Minute,
			expr:        "job:health_ready:ratio < 0.5 > 0" + heard,
			summary:     "Less than half of a service's instances are ready.",
			description: "{{ $value | humanizePercentage }} of the expected instances of {{ $labels.job }} are ready."},
		rule{alert: "HealthCapacityLow", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute,
			expr:        "job:health_ready:ratio < 0.7 >= 0.5",
			summary:     "Less than 70% of a service's instances are ready.",
			description: "{{ $value | humanizePercentage }} of the expected instances of {{ $labels.job }} are ready."},
		// Only a check that takes an instance out of service can explain why the instance is not
		// ready.
		rule{alert: "HealthInstanceNotReady", severity: "warning", wait: 10 * time.Minute, keep: 5 * time.Minute,
			expr: last(perInstance, `health_probe_status{health_probe_name="readiness",health_probe_state=~"pass|warn"}`) + " == 0" + inService +
				"unless on (job, instance) (" + last(perCheck, `health_check_status{health_check_state=~"fail|stale"}`) + " == 1 and on (" + perCheck + ") (" +
				last(perCheck, `health_check_info{health_check_role=~"core|vital"}`) + " or " + last(perCheck, `health_check_override{health_check_effect="not-ready"}`) + ") == 1)",
			summary:     "An instance is not ready, and no failing check says why.",
			description: "{{ $labels.instance }} of {{ $labels.job }} has not been ready for ten minutes, and none of its checks that take it out fails."},
		// Other alerts exclude instances that are starting. These two find an instance that never
		// gets further, and a service whose successors all hang in their start. A rollout has one
		// or two starts at a time, beside instances that serve.
		rule{alert: "HealthStartingTooLong", severity: "warning", wait: 15 * time.Minute,
			expr: `max by (job, instance) (max_over_time(health_lifecycle_status{health_lifecycle_state="starting"}[7m])) == 1` +
				" unless on (job, instance) " + lifecycle("running") + " == 1 unless on (job) (" + startsFail + ")",
			summary:     "An instance does not get past its start.",
			description: "{{ $labels.instance }} of {{ $labels.job }} has been starting for a quarter of an hour."},
		rule{alert: "HealthStartingTooLong", severity: "critical", wait: 10 * time.Minute,
			expr:        startsFail,
			summary:     "A service does not get past its start.",
			description: "For ten minutes instances of {{ $labels.job }} have been starting, and {{ $value | humanizePercentage }} of those that run or start are ready."},
		rule{alert: "HealthMaintenanceTooLong", severity: "warning", wait: 4 * time.Hour,
			expr:        lifecycle("maintenance") + " == 1",
			summary:     "An instance has been in maintenance for more than four hours.",
			description: "{{ $labels.instance }} of {{ $labels.job }} has taken no traffic for four hours, because somebody said so."},
		d.canary("otelhealth-readiness", "health_probe_status", "health_lifecycle_status"))}
}

// noReady: no instance is ready, and they did not all drain in order. If the cluster knows the
// desired number, it also finds a job of which no instance came back.
func noReady(desired string) string {
	const none, left = "job:health_instances_ready:count == 0 and on (job) job:health_instances_expected:count > 0", "job:health_instances_left:bool == 1"
	if desired == "" {
		return none + " unless on (job) " + left
	}
	return none + " unless on (job) (" + left + " unless on (job) job:health_instances_desired:count)" +
		" or (job:health_instances_desired:count > 0 and on (job) last_over_time(job:health_instances:count[" + remembered + "]) unless on (job) job:health_instances:count" + blind + ")"
}

// fleetWide finds a check that fails on most of several instances. Then the trouble is in something
// they share.
const fleetWide = "job_check:health_check_failing:ratio > 0.5 and on (job) job:health_instances_in_service:count > 1"

func (d dialect) checkRules() group {
	shared := func(severity, roles, consequence string) rule {
		return rule{alert: "HealthDependencyDown", severity: severity, wait: 2 * time.Minute, keep: 2 * time.Minute,
			expr: fleetWide + " and on (job, health_check_name) max by (job, health_check_name) (last_over_time(health_check_info{health_check_role=~\"" +
				roles + "\"}[" + fresh + "])) == 1",
			summary:     "A check fails on most instances of a service.",
			description: "Check {{ $labels.health_check_name }} fails on {{ $value | humanizePercentage }} of the instances of {{ $labels.job }}: what they share is down. " + consequence}
	}
	return group{"otelhealth-checks", []rule{
		// Divide by all instances in service, not by those with the check. During a rollout only
		// the first new instance has a new check, and it would be 100 %.
		{record: "job_check:health_check_failing:ratio",
			expr: "sum by (job, health_check_name) (" + last(perCheck, `health_check_status{health_check_state="fail"}`) + inService + ") / on (job) group_left () sum by (job) (" + lifecycle("running") + ")"},
		{alert: "HealthCheckFailing", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute,
			expr: last(perCheck, `health_check_status{health_check_state="fail"}`) + " == 1" + inService +
				"unless on (job, health_check_name) (" + fleetWide + ")",
			summary:     "A check fails on an instance.",
			description: "Check {{ $labels.health_check_name }} fails on {{ $labels.instance }} of {{ $labels.job }}, and not on most others."},
		shared("critical", "core|vital", "Such a check takes instances out of service."),
		shared("warning", "auxiliary|informational", "Such a check takes no instance out of service."),
		// It reads the state stale and the clock, because an instance that has stopped judging
		// can't report it.
		{alert: "HealthCheckStale", severity: "warning", wait: 2 * time.Minute, keep: 5 * time.Minute,
			expr: "(time() - " + last(perCheck, "health_check_last_run_timestamp_seconds") +
				" > on (" + perCheck + ") 3 * " + last(perCheck, "health_check_interval_seconds") +
				" + on (" + perCheck + ") " + last(perCheck, "health_check_timeout_seconds") + " + 60" +
				" or " + last(perCheck, `health_check_status{health_check_state="stale"}`) + " == 1)" + inService,
			summary:     "A check no longer runs, or its evidence is old.",
			description: "Check {{ $labels.health_check_name }} on {{ $labels.instance }} of {{ $labels.job }} says nothing new; what it said last may be wrong by now."},
		// It reads the counter, because samples of the state miss most changes.
		{alert: "HealthCheckFlapping", severity: "warning", wait: time.Minute, keep: 15 * time.Minute,
			expr:        "sum by (" + perCheck + ") (increase(health_check_transitions_total[30m])) > 6" + inService,
			summary:     "A check changes its state again and again.",
			description: "Check {{ $labels.health_check_name }} on {{ $labels.instance }} of {{ $labels.job }} has changed its state {{ $value | humanize }} times in half an hour."},
		{alert: "HealthOverrideLeftOn", severity: "warning", wait: time.Hour,
			expr:        last("job, health_check_name, health_check_effect", "health_check_override") + " == 1",
			summary:     "An operator's override has been on for an hour.",
			description: "For an hour, failing of check {{ $labels.health_check_name }} of {{ $labels.job }} has had the effect {{ $labels.health_check_effect }}, by an operator's override."},
		d.canary("otelhealth-checks", "health_check_status", "health_check_info"),
	}}
}

// both makes a warning for an instance and a page for the service. Only the one that fits fires.
func both(instance, service rule, on string) []rule {
	instance.severity, service.severity = "warning", "critical"
	instance.alert = service.alert
	instance.expr = "(" + instance.expr + ")" + notOut + "unless on (" + on + ") (" + service.expr + ")"
	return []rule{instance, service}
}

func (d dialect) requestRules() group {
	age := last(perInstance, "http_server_oldest_request_age_seconds")
	return group{"otelhealth-requests", append(both(
		rule{wait: 2 * time.Minute, keep: 2 * time.Minute,
			expr:        age + " > 60",
			summary:     "A request has hung on an instance for more than a minute.",
			description: "The oldest request that {{ $labels.instance }} of {{ $labels.job }} has not answered is {{ $value | humanizeDuration }} old."},
		rule{alert: "HttpRequestsHung", wait: 2 * time.Minute, keep: 2 * time.Minute,
			expr:        "avg by (job) ((" + age + notOut + ") > bool 60) > 0.5",
			summary:     "Requests hang on most instances of a service.",
			description: "On {{ $value | humanizePercentage }} of the instances of {{ $labels.job }} a request has been waiting for more than a minute. What never ends is in no latency."}, "job"),
		d.canary("otelhealth-requests", "http_server_oldest_request_age_seconds"))}
}

func (d dialect) queueRules() group {
	const perQueue, jobQueue = "job, instance, queue_name", "job, queue_name"
	length, capacity := last(perQueue, "queue_length"), last(perQueue, "queue_capacity")
	waiting := "min by (" + perQueue + ") (min_over_time(queue_length[5m]))"
	taken := func(by string) string {
		return "sum by (" + by + ") (" + d.counts("queue_wait_duration_seconds", "", "5m") + ") > 0"
	}
	share := length + " / on (" + perQueue + ") (" + capacity + " > 0)"
	rules := both(
		rule{wait: 5 * time.Minute, keep: 5 * time.Minute,
			expr:        share + " > 0.9",
			summary:     "A queue of an instance is nearly full.",
			description: "Queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }} is {{ $value | humanizePercentage }} full."},
		rule{alert: "QueueNearlyFull", wait: 5 * time.Minute, keep: 5 * time.Minute,
			expr: "sum by (" + jobQueue + ") (" + length + notOut + ") / on (" + jobQueue + ") sum by (" + jobQueue + ") (" +
				capacity + notOut + "> 0) > 0.9",
			summary:     "A queue is nearly full on all instances of a service.",
			description: "Queue {{ $labels.queue_name }} of {{ $labels.job }} is {{ $value | humanizePercentage }} full on all instances together; what comes when it is full is refused."}, jobQueue)
	// Below 30 % the forecast of a volatile queue means nothing.
	rules = append(rules, rule{alert: "QueuePredictedFull", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute,
		expr: "max by (" + perQueue + ") (predict_linear(queue_length[15m], 1800)) > on (" + perQueue + ") (" + capacity + " > 0)" +
			" and on (" + perQueue + ") (" + share + " > 0.3 <= 0.9)" + notOut,
		summary:     "A queue will be full within half an hour.",
		description: "As queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }} has grown for a quarter of an hour, it will hold {{ $value | humanize }} items in half an hour, which is more than it can."})
	rules = append(rules, both(
		rule{wait: 5 * time.Minute, keep: 2 * time.Minute,
			expr:        waiting + " > 0 unless on (" + perQueue + ") " + taken(perQueue),
			summary:     "Nothing is taken from a queue of an instance.",
			description: "In queue {{ $labels.queue_name }} on {{ $labels.instance }} of {{ $labels.job }} items wait, and for five minutes none has been taken."},
		rule{alert: "QueueStalled", wait: 5 * time.Minute, keep: 2 * time.Minute,
			expr:        "sum by (" + jobQueue + ") (" + waiting + notOut + ") > 0 unless on (" + jobQueue + ") " + taken(jobQueue),
			summary:     "Nothing is taken from a queue of a service.",
			description: "In queue {{ $labels.queue_name }} of {{ $labels.job }} {{ $value | humanize }} items wait, and for five minutes no instance has taken any."}, jobQueue)...)
	return group{"otelhealth-queues", append(rules, d.canary("otelhealth-queues", "queue_length", "queue_capacity", d.part("queue_wait_duration_seconds", "_count")))}
}

const (
	// One day, because an alert that ends by itself looks like a recovery.
	remembered = "1d"
	// blind: data from a queue arrives late and looks old. So no instance counts as missing until
	// the queue is empty again.
	blind = " unless on () max_over_time(all:telemetry_blind:group[10m]) > 0"
)

// pipeline tells a silent service from a silent pipeline. If no collector sends anything on, no
// service gets the blame.
func (d dialect) pipelineRules(desired string) group {
	const (
		up            = "otelcol_process_uptime_seconds_total"
		queue         = `otelcol_exporter_queue_size{data_type="metrics"}`
		sent          = "otelcol_exporter_sent_metric_points_total"
		toThePipeline = "health-telemetry"
	)
	silent := func(by string) string {
		return "group" + by + " (last_over_time(" + up + "[" + remembered + "])) unless on " + on(by) + " group" + by + " (last_over_time(" + up + "[" + fresh + "]))"
	}
	stuck := func(by string) string {
		return "sum" + by + " (min_over_time(" + queue + "[" + fresh + "])) > 0 unless on " + on(by) + " sum" + by + " (rate(" + sent + "[" + fresh + "])) > 0"
	}
	refused := func(by string) string {
		return "sum" + by + " (increase(otelcol_exporter_enqueue_failed_metric_points_total[5m])) > 0"
	}
	const job, each = " by (job)", " by (" + perInstance + ")"
	// The last instances all drained in order. Earlier crashes with a replacement don't matter.
	left := " unless on (job) last_over_time(job:health_instances_left:bool[1h]) == 1"
	if desired != "" {
		left += " unless on (job) job:health_instances_desired:count == 0"
	}
	return group{"otelhealth-pipeline", []rule{
		{record: "all:telemetry_blind:group", expr: silent("") + " or " + stuck("")},
		// An instance lost just before the job fell silent counts as missing for a day, or until it
		// is back. For the other instances the window is one hour, because a crash may come before
		// a scale to zero.
		{record: "job:health_instances_silent:count",
			expr: "(" + lost("10m") + blind + left + " or last_over_time(job:health_instances_silent:count[" + fresh + "]))" +
				" unless on (job) job:health_instances:count and on (job) last_over_time(job:health_instances:count[" + remembered + "])"},
		{alert: "TelemetryPipelineDown", severity: "critical", wait: time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "silent"}},
			expr:        silent(job),
			summary:     "The collector has fallen silent.",
			description: "{{ $labels.job }} was heard of in the last day and is not now. Nothing that goes through it arrives, and no alert on that can be trusted."},
		{alert: "TelemetryPipelineDown", severity: "critical", wait: 2 * time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "queue"}},
			expr:        stuck(job) + " or " + refused(job),
			summary:     "The collector does not get rid of its metrics.",
			description: "{{ $labels.job }} lives, but its queue of metrics does not move or is full. What waits arrives late; what a full queue refuses is lost."},
		{alert: "TelemetryPipelineDown", severity: "warning", wait: 2 * time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "queue"}},
			expr:        stuck(each) + " unless on (job) (" + stuck(job) + " or " + refused(job) + ")",
			summary:     "One of several collectors does not get rid of its metrics.",
			description: "The queue of metrics of {{ $labels.instance }} of {{ $labels.job }} does not move. Instances that send to it are heard late, and look dead."},
		// Each outage is too short for the two alerts above, and services lost during one go
		// unnoticed. Three outages in half an hour are six changes.
		{alert: "TelemetryPipelineDown", severity: "critical", keep: 10 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "unsteady"}},
			expr:        "changes((count(all:telemetry_blind:group) or vector(0))[30m:30s]) >= 6",
			summary:     "The collectors come and go.",
			description: "In half an hour it began or ended {{ $value }} times that nothing got through. Services that are lost meanwhile are told late or never."},
		{alert: "HealthTelemetryAbsent", severity: "critical", wait: time.Minute,
			expr:        "(job:health_instances_lost:count1h or on (job) job:health_instances_silent:count)" + left + " unless on (job) job:health_instances:count" + blind,
			summary:     "A service has fallen silent without taking its leave.",
			description: "Nothing is heard of {{ $labels.job }}, while the pipeline works. {{ $value }} instances went without draining: they were killed, or can't export."},
		{alert: "TelemetryExportFailing", severity: "warning", wait: 5 * time.Minute, keep: 10 * time.Minute, dashboard: toThePipeline,
			expr:        "sum by (job, instance, telemetry_signal, error_type) (increase(telemetry_export_failures_total[15m])) > 3",
			summary:     "An instance can't hand over its telemetry.",
			description: "{{ $labels.instance }} of {{ $labels.job }} failed to export {{ $labels.telemetry_signal }} {{ $value | humanize }} times in a quarter of an hour: {{ $labels.error_type }}."},
		{alert: "TelemetryItemsLost", severity: "warning", wait: 5 * time.Minute, keep: 10 * time.Minute, dashboard: toThePipeline,
			expr:        `sum by (job, instance, telemetry_signal, error_type) (increase(telemetry_items_lost_total{error_type=~"queue_full|queue_bytes"}[15m])) > 0`,
			summary:     "An instance makes more telemetry than its collector takes.",
			description: "{{ $labels.instance }} of {{ $labels.job }} lost {{ $value | humanize }} items of {{ $labels.telemetry_signal }} in a quarter of an hour before any export: {{ $labels.error_type }}."},
		d.canary("otelhealth-pipeline", up, "telemetry_export_last_success_timestamp_seconds"),
	}}
}

// on returns the labels of by, for a match.
func on(by string) string { return "(" + strings.Trim(strings.TrimPrefix(by, " by "), "()") + ")" }

// inhibitions is a complete Alertmanager configuration with example rules. The alert with more
// information silences the one with less.
func inhibitions(d dialect) string {
	equal := func(more ...string) string {
		return strings.Join(append(d.labels(d.grouped([]string{"job"})), more...), ", ")
	}
	one := func(source, target, equal string) string {
		list := strings.NewReplacer("; ", "', '")
		return fmt.Sprintf("  - source_matchers: ['%s']\n    target_matchers: ['%s']\n    equal: [%s]\n", list.Replace(source), list.Replace(target), equal)
	}
	quoted := func(l string) string {
		if l = d.label(l); strings.Contains(l, ".") {
			return fmt.Sprintf("%q", l)
		}
		return l
	}
	return `# An example: take its inhibit_rules into your Alertmanager's configuration, and
# give the receivers what they lack. amtool check-config reads it as it is.
route:
  receiver: tickets
  group_by: [` + equal("alertname") + `]
  routes:
    - matchers: [severity="critical"]
      receiver: pager
receivers:
  - name: pager
  - name: tickets
inhibit_rules:
  # Who hears nothing knows nothing. No label in common: the collector is another job.
  # What is still heard is still true, so only alerts on silence are kept back.
` + one(`alertname="TelemetryPipelineDown"; severity="critical"; reason!="unsteady"`, `alertname=~"HealthTelemetryAbsent|HealthRulesBlind|TelemetryExportFailing|TelemetryItemsLost"`, "") +
		one(`alertname="HealthTelemetryAbsent"`, `alertname=~"Health.+|Http.+|Queue.+"; alertname!="HealthTelemetryAbsent"`, equal()) +
		`  # What nobody can use is not also slow, low or failing its checks.
` + one(`alertname="HealthNoReadyInstance"`, `alertname=~"HealthCapacityLow|HealthInstanceNotReady|HealthStartingTooLong|HealthReadyBudgetBurn"`, equal()) +
		one(`alertname="HealthCapacityLow"; severity="critical"`, `alertname="HealthReadyBudgetBurn"`, equal()) +
		`  # One check everywhere is one trouble.
` + one(`alertname="HealthDependencyDown"`, `alertname=~"HealthCheckFailing|HealthCheckFlapping|HealthCheckStale"`, equal(quoted("health_check_name"))) +
		`  # The same alert, less bad.
` + one(`severity="critical"`, `severity="warning"`, equal("alertname", quoted("health_check_name"), quoted("queue_name")))
}
