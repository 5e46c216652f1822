package generate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// collectorRules are about the collectors. Without a collector this group can go.
func (d dialect) collectorRules() group {
	const (
		up            = "otelcol_process_uptime_seconds_total"
		queue         = `otelcol_exporter_queue_size{data_type="metrics"}`
		sent          = "otelcol_exporter_sent_metric_points_total"
		toThePipeline = "health-telemetry"
	)
	silent := func(by, on string) string {
		return "group " + by + " (last_over_time(" + up + "[" + remembered + "])) unless " + on + " group " + by + " (last_over_time(" + up + "[" + fresh + "]))"
	}
	waits := func(by string) string { return "sum " + by + " (min_over_time(" + queue + "[" + fresh + "])) > 0" }
	stuck := func(by, on string) string {
		return waits(by) + " unless " + on + " sum " + by + " (rate(" + sent + "[" + fresh + "])) > 0"
	}
	counted := func(counter string) string { return "sum by (job) (increase(" + counter + "[5m])) > 0" }
	const byJob, onJob, byEach, onEach = "by (job)", "on (job)", "by (" + perInstance + ")", "on (" + perInstance + ")"
	refused := counted("otelcol_exporter_enqueue_failed_metric_points_total")
	service := "health_probe_status" // pushed services need a collector, scraped ones don't
	return group{"otelhealth-collectors", slices.Concat([]rule{
		// If the queue is not empty and nobody is heard, what arrives is old: Prometheus was away.
		{record: "all:telemetry_blind:group",
			expr: fmt.Sprintf("%s or %s or (%s unless %s group %s (job:health_instances:count)) or 0 * group %s (last_over_time(%s[%s]))",
				silent(d.by(), d.on()), stuck(d.by(), d.on()), waits(d.by()), d.on(), d.by(), d.by(), up, remembered)},
		{alert: "TelemetryPipelineDown", severity: "critical", wait: time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "silent"}},
			expr:        silent(byJob, onJob),
			summary:     "The collector has fallen silent.",
			description: "{{ $labels.job }} was heard of in the last day and is not now. Nothing that goes through it arrives, and no alert on that can be trusted."},
		{alert: "TelemetryPipelineDown", severity: "critical", wait: 2 * time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "queue"}},
			expr:        stuck(byJob, onJob) + " or " + refused,
			summary:     "The collector does not get rid of its metrics.",
			description: "{{ $labels.job }} lives, but its queue of metrics does not move or is full. What waits arrives late; what a full queue refuses is lost."},
	}, each(rule{alert: "TelemetryPipelineDown", severity: "warning", wait: 2 * time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
		labels:      [][2]string{{"reason", "queue"}},
		expr:        stuck(byEach, onEach) + " unless on (job) (" + stuck(byJob, onJob) + " or " + refused + ")",
		summary:     "One of several collectors does not get rid of its metrics.",
		description: "The queue of metrics of {{ $labels.instance }} of {{ $labels.job }} does not move. Instances that send to it are heard late, and look dead."},
		"job", "Several of the collectors do not get rid of their metrics.",
		"The queues of metrics of {{ $value }} instances of {{ $labels.job }} do not move. Instances that send to them are heard late, and look dead."), []rule{
		// Delta temporality, or a sample that is too old. Who was never heard is not missed.
		{alert: "TelemetryPipelineDown", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "rejected"}},
			expr:        counted("otelcol_exporter_send_failed_metric_points_total"),
			summary:     "The backend rejects metrics.",
			description: "The backend of {{ $labels.job }} rejects metrics for good, {{ $value | humanize }} points in five minutes. A service that sends them may be in no dashboard and no alert."},
		// Each outage is too short for the two alerts above, and services lost during one go
		// unnoticed. Three outages in half an hour are six changes.
		{alert: "TelemetryPipelineDown", severity: "critical", keep: 10 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "unsteady"}},
			expr:        "changes((all:telemetry_blind:group > bool 0)[30m:30s]) >= 6",
			summary:     "The collectors come and go.",
			description: "In half an hour it began or ended {{ $value }} times that nothing got through. Services that are lost meanwhile are told late or never."},
		d.blindness("otelhealth-collectors", fmt.Sprintf(`label_replace(absent(%s) unless on () group(up and on (job, instance) %s), "metric", "%s", "", "")`, up, service, d.metric(up))),
	})}
}

// without selects what lacks the clusters' labels.
func (d dialect) without() string {
	var empty []string
	for _, l := range d.group {
		empty = append(empty, fmt.Sprintf(`%q=""`, l))
	}
	return "{" + strings.Join(empty, ",") + "}"
}
