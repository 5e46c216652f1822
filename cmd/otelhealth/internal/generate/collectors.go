package generate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// collectorRules are about the collectors. If you have no collector, delete this group.
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
	service := "health_probe_status" // a service that pushes needs a collector, a scraped one doesn't
	return group{"otelhealth-collectors", slices.Concat([]rule{
		// If the queue is not empty and no service is heard, arriving data is old: Prometheus was away.
		{record: "all:telemetry_blind:group",
			expr: fmt.Sprintf("%s or %s or (%s unless %s group %s (job:health_instances:count)) or 0 * group %s (last_over_time(%s[%s]))",
				silent(d.by(), d.on()), stuck(d.by(), d.on()), waits(d.by()), d.on(), d.by(), d.by(), up, remembered)},
		{alert: "TelemetryPipelineDown", severity: "critical", wait: time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "silent"}},
			expr:        silent(byJob, onJob),
			summary:     "Collector {{ $labels.job }} has fallen silent.",
			description: "{{ $labels.job }} sent its own metrics within the last day, and sends none now. Services that send through it are not seen, and no alert about them can fire. First see whether it runs: its pods, its log, its port 13133."},
		{alert: "TelemetryPipelineDown", severity: "critical", wait: 2 * time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "queue"}},
			expr:        stuck(byJob, onJob) + " or " + refused,
			summary:     "Collector {{ $labels.job }} can't send its metrics on.",
			description: "{{ $labels.job }} runs, but its queue of metrics does not move or is full. Metrics in the queue arrive late. A full queue refuses more. First read its log for the status code of the backend, and see whether the backend runs."},
	}, each(rule{alert: "TelemetryPipelineDown", severity: "warning", wait: 2 * time.Minute, keep: 2 * time.Minute, dashboard: toThePipeline,
		labels:      [][2]string{{"reason", "queue"}},
		expr:        stuck(byEach, onEach) + " unless on (job) (" + stuck(byJob, onJob) + " or " + refused + ")",
		summary:     "One instance of collector {{ $labels.job }} can't send its metrics on.",
		description: "The queue of metrics of {{ $labels.instance }} of {{ $labels.job }} does not move. Services that send to it look dead. First read its log for the status code of the backend."},
		"job", "{{ $value }} instances of collector {{ $labels.job }} can't send their metrics on.",
		"The queues of metrics of {{ $value }} instances of {{ $labels.job }} do not move. Services that send to them look dead. First read the log of one for the status code of the backend."), []rule{
		// For example delta temporality, or a sample that is too old. No other alert finds a new service with
		// delta temporality, because it was never heard.
		{alert: "TelemetryPipelineDown", severity: "warning", wait: 5 * time.Minute, keep: 5 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "rejected"}},
			expr:        counted("otelcol_exporter_send_failed_metric_points_total"),
			summary:     "The backend of {{ $labels.job }} rejects {{ $value | humanize }} metric points in five minutes.",
			description: "The backend of collector {{ $labels.job }} has rejected {{ $value | humanize }} points in five minutes, for good: the collector drops them. The service that sends them may be missing from all dashboards and alerts. First read the collector's log: it has the reason."},
		// Each outage is too short for the two alerts above, and a service lost during one is not noticed.
		// Three outages in half an hour are six changes.
		{alert: "TelemetryPipelineDown", severity: "critical", keep: 10 * time.Minute, dashboard: toThePipeline,
			labels:      [][2]string{{"reason", "unsteady"}},
			expr:        "changes((all:telemetry_blind:group > bool 0)[30m:30s]) >= 6",
			summary:     "The metrics pipeline stops again and again ({{ $value }} changes in half an hour).",
			description: "In half an hour the pipeline has stopped or started {{ $value }} times. A service that is lost in an interruption is reported late or never. First look why the collector's pod ended last: often it is OOMKilled."},
		d.blindness("otelhealth-collectors", "collector", fmt.Sprintf(`label_replace(absent(%s) unless on () group(up and on (job, instance) %s), "metric", "%s", "", "")`, up, service, d.metric(up))),
	})}
}

// without selects series that lack the clusters' labels.
func (d dialect) without() string {
	var empty []string
	for _, l := range d.group {
		empty = append(empty, fmt.Sprintf(`%q=""`, l))
	}
	return "{" + strings.Join(empty, ",") + "}"
}
