package generate

import (
	"fmt"
	"time"
)

// remembered is how long a lost service counts as silent. It is a day, because an alert that ends looks like
// a recovery.
const remembered = "1d"

// blind leaves out the time in which the pipeline did not work, and ten minutes after it. Data from a queue
// arrives late and looks old, so no instance counts as missing until the queue is empty again. A collector
// without the clusters' labels serves all clusters.
func (d dialect) blind() string {
	const memory = "[10m]) > 0"
	text := " unless " + d.on() + " max_over_time(all:telemetry_blind:group" + memory
	if len(d.group) > 0 {
		text += " unless on () max_over_time(all:telemetry_blind:group" + d.without() + memory
	}
	return text
}

// silenceRules distinguish a silent service from a silent pipeline. If no collector sends anything on, or if
// many services fall silent at once, no single service is reported.
func (d dialect) silenceRules(desired string) group {
	// Not if the last instances all drained in order. An earlier crash doesn't matter if it had a replacement.
	left := " unless on (job) last_over_time(job:health_instances_left:bool[1h]) == 1"
	if desired != "" {
		left += " unless on (job) job:health_instances_desired:count == 0"
	}
	many := fmt.Sprintf("count %s (job:health_silent:count) >= %d", d.by(), d.settings.services)
	// The counter must still grow. After an outage instances report all that failed in it at once.
	goesOn := func(counter, limit string) string {
		grown := func(window string) string {
			return "sum by (job, instance, telemetry_signal, error_type) (increase(" + counter + "[" + window + "])) > "
		}
		return "count by (job, telemetry_signal, error_type) (" + grown("15m") + limit + " and on (job, instance, telemetry_signal, error_type) " + grown("5m") + "0)"
	}
	return group{"otelhealth-silence", []rule{
		// An instance that was lost just before the whole job fell silent counts as missing for a day, or
		// until the job is back. Instances lost earlier count for one hour, because the crash may have come
		// before a scale to zero.
		{record: "job:health_instances_silent:count",
			expr: "(" + lost("10m", "job:health_instances_down:count") + d.blind() + left + " or last_over_time(job:health_instances_silent:count[" + fresh + "]))" +
				" unless on (job) job:health_instances:count and on (job) last_over_time(job:health_instances:count[" + remembered + "])"},
		{record: "job:health_silent:count",
			expr: "(job:health_instances_lost:count1h or on (job) job:health_instances_silent:count)" + left + " unless on (job) job:health_instances:count" + d.blind()},
		{alert: "TelemetryPipelineDown", severity: "critical", wait: time.Minute, keep: 2 * time.Minute, dashboard: "health-telemetry",
			labels:      [][2]string{{"reason", "cut"}},
			expr:        many,
			summary:     "{{ $value }} services have fallen silent at once.",
			description: "No metrics of {{ $value }} services arrive, and they did not shut down in order. They can't reach the collector, or their nodes are gone. First look at the nodes, and at what changed in network policies, DNS, certificates and endpoints."},
		// Half a minute longer than the alert above, because services whose exports are a minute apart fall
		// silent one after the other.
		{alert: "HealthTelemetryAbsent", severity: "critical", wait: 90 * time.Second,
			expr:        "job:health_silent:count unless " + d.on() + " (" + many + ")",
			summary:     "{{ $labels.job }} has fallen silent without an orderly shutdown (instances: {{ $value }}).",
			description: "No metrics of {{ $labels.job }} arrive, though the pipeline seems to work. Instances that vanished without an orderly shutdown: {{ $value }}. First list its pods. If there are none, or they restart, the service is down. If they run, they can't export. No other alert about it can fire, and this one ends after a day in any case."},
		{alert: "TelemetryExportFailing", severity: "warning", wait: 5 * time.Minute, keep: 10 * time.Minute, dashboard: "health-telemetry",
			expr:        goesOn("telemetry_export_failures_total", "3"),
			summary:     "{{ $labels.job }} fails to export {{ $labels.telemetry_signal }} (instances: {{ $value }}).",
			description: "{{ $value }} instances of {{ $labels.job }} fail to export {{ $labels.telemetry_signal }}: {{ $labels.error_type }}. First see whether other services fail too. If so, look at the collector, otherwise at the OTEL_EXPORTER_OTLP variables and the log of this service."},
		{alert: "TelemetryItemsLost", severity: "warning", wait: 5 * time.Minute, keep: 10 * time.Minute, dashboard: "health-telemetry",
			expr:        goesOn(`telemetry_items_lost_total{error_type=~"queue_full|queue_bytes"}`, "0"),
			summary:     "{{ $labels.job }} loses {{ $labels.telemetry_signal }} before export (instances: {{ $value }}).",
			description: "{{ $value }} instances of {{ $labels.job }} lose {{ $labels.telemetry_signal }} before export, because their queue is full: {{ $labels.error_type }}. They make more than the collector takes. First see whether the collector is slow, otherwise sample."},
		d.lost("otelhealth-silence", "telemetry_export_last_success_timestamp_seconds"),
	}}
}
