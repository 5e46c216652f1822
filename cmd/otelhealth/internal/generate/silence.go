package generate

import (
	"fmt"
	"time"
)

// One day, because an alert that ends by itself looks like a recovery.
const remembered = "1d"

// blind leaves out what nobody can know. Data from a queue arrives late and looks old. So no
// instance counts as missing until the queue is empty again. Collectors without the clusters' label
// serve all clusters.
func (d dialect) blind() string {
	const memory = "[10m]) > 0"
	text := " unless " + d.on() + " max_over_time(all:telemetry_blind:group" + memory
	if len(d.group) > 0 {
		text += " unless on () max_over_time(all:telemetry_blind:group" + d.without() + memory
	}
	return text
}

// silenceRules tell a silent service from a silent pipeline. If no collector sends anything on, or
// if many services fall silent at once, no service gets the blame.
func (d dialect) silenceRules(desired string) group {
	// The last instances all drained in order. Earlier crashes with a replacement don't matter.
	left := " unless on (job) last_over_time(job:health_instances_left:bool[1h]) == 1"
	if desired != "" {
		left += " unless on (job) job:health_instances_desired:count == 0"
	}
	many := fmt.Sprintf("count %s (job:health_silent:count) >= %d", d.by(), d.settings.services)
	// It must go on. After an outage the instances report all that failed in it at once.
	goesOn := func(counter, limit string) string {
		grown := func(window string) string {
			return "sum by (job, instance, telemetry_signal, error_type) (increase(" + counter + "[" + window + "])) > "
		}
		return "count by (job, telemetry_signal, error_type) (" + grown("15m") + limit + " and on (job, instance, telemetry_signal, error_type) " + grown("5m") + "0)"
	}
	return group{"otelhealth-silence", []rule{
		// An instance lost just before the job fell silent counts as missing for a day, or until it
		// is back. For the other instances the window is one hour, because a crash may come before
		// a scale to zero.
		{record: "job:health_instances_silent:count",
			expr: "(" + lost("10m", "job:health_instances_down:count") + d.blind() + left + " or last_over_time(job:health_instances_silent:count[" + fresh + "]))" +
				" unless on (job) job:health_instances:count and on (job) last_over_time(job:health_instances:count[" + remembered + "])"},
		{record: "job:health_silent:count",
			expr: "(job:health_instances_lost:count1h or on (job) job:health_instances_silent:count)" + left + " unless on (job) job:health_instances:count" + d.blind()},
		{alert: "TelemetryPipelineDown", severity: "critical", wait: time.Minute, keep: 2 * time.Minute, dashboard: "health-telemetry",
			labels:      [][2]string{{"reason", "cut"}},
			expr:        many,
			summary:     "Many services have fallen silent at once.",
			description: "No metrics of {{ $value }} services arrive, and they had no orderly shutdown. They can't reach the collector, or the nodes they run on are gone."},
		// Half a minute longer, because exports a minute apart fall silent one after the other.
		{alert: "HealthTelemetryAbsent", severity: "critical", wait: 90 * time.Second,
			expr:        "job:health_silent:count unless " + d.on() + " (" + many + ")",
			summary:     "A service has fallen silent without an orderly shutdown.",
			description: "No metrics of {{ $labels.job }} arrive, though the way to Prometheus works. Instances that vanished without an orderly shutdown: {{ $value }}. They were killed, or they live and can't export. This alert ends after a day, even if nothing is better."},
		{alert: "TelemetryExportFailing", severity: "warning", wait: 5 * time.Minute, keep: 10 * time.Minute, dashboard: "health-telemetry",
			expr:        goesOn("telemetry_export_failures_total", "3"),
			summary:     "Instances of a service can't hand over their telemetry.",
			description: "{{ $value }} instances of {{ $labels.job }} fail to export {{ $labels.telemetry_signal }}: {{ $labels.error_type }}."},
		{alert: "TelemetryItemsLost", severity: "warning", wait: 5 * time.Minute, keep: 10 * time.Minute, dashboard: "health-telemetry",
			expr:        goesOn(`telemetry_items_lost_total{error_type=~"queue_full|queue_bytes"}`, "0"),
			summary:     "Instances of a service make more telemetry than their collector takes.",
			description: "{{ $value }} instances of {{ $labels.job }} lose {{ $labels.telemetry_signal }} before any export: {{ $labels.error_type }}."},
		d.lost("otelhealth-silence", "telemetry_export_last_success_timestamp_seconds"),
	}}
}
