package generate

func pipeline() board {
	toService := link{title: "Service", uid: "health-service", vars: []string{"job=job"}}
	toFleet := []link{{title: "Fleet", uid: "health-fleet", vars: []string{"job", "instance"}}}
	fresh := []step{{0, green}, {30, yellow}, {60, red}} // two and four export intervals
	line := []step{{0, "text"}, {30, yellow}, {60, red}}
	collectors := func(id uint32, title, about, unit, legend, expr string) panel {
		return panel{id: id, title: title, about: about, unit: unit, w: 8, h: 8, view: lines(), min: ptr(0), queries: []query{{legend: legend, expr: expr}}}
	}
	orNone := func(legend, expr string) []query {
		q := query{legend: legend, expr: expr}
		return []query{q, none(q, eachInstance)}
	}
	sent := func(by, counter string) string {
		return `sum by (job, ` + by + `) (rate(` + counter + `{@collector}[$__rate_interval]))`
	}
	// A counter that never counted has no series. While the collector lives, draw 0 instead.
	failed := func(by, counter string) string {
		return sent(by, counter) + ` or 0 * sum by (job) (rate(otelcol_process_uptime_seconds_total{@collector}[$__rate_interval])) unless on (job) ` + sent(by, counter)
	}
	return board{
		uid: "health-telemetry", title: "Health / Telemetry pipeline", from: "now-1h", refresh: "30s", variables: []string{"collector"},
		about: "Whether you can trust the other dashboards: how old the data is, and where it is delayed or lost between a service and Prometheus.",
		rows: []row{
			{id: 100, title: "Services", panels: []panel{
				{id: 1, title: "Oldest data", about: "Age of the newest data of the instance with the oldest, among instances that sent data in the last five minutes. Yellow from 30 s, red from 60 s: two and four exports at one every 15 s.", unit: "s", w: 6, h: 5, view: tile(), links: toFleet, steps: fresh,
					queries: []query{{instant: true, legend: "age", expr: `max(time() - max by (job, instance) (timestamp(` + eachInstance + `)))`}}},
				{id: 2, title: "Instances silent", about: "Instances that sent data within the time range and none in the last two minutes: they were killed, or can't export. Instances that a rollout replaced have drained, and are not counted.", unit: "short", w: 6, h: 5, view: tile(), links: toFleet,
					steps: []step{{0, green}, {1, purple}}, queries: []query{{instant: true, legend: "silent",
						expr: `count(` + went + `) or 0 * count(` + seen + `)`}}},
				{id: 3, title: "Failed exports", about: "Failed exports in the time range, after all retries. A service that can't export anything can't report it: it is silent.", unit: "short", w: 6, h: 5, view: tile(), links: toFleet, decimals: ptr(0),
					steps: []step{{0, green}, {1, orange}}, queries: []query{{instant: true, legend: "failed",
						expr: `sum(increase(telemetry_export_failures_total{@own}[$__range])) or 0 * count(` + heard + `)`}}},
				{id: 4, title: "Collectors", about: "Collectors that send their own metrics.", unit: "short", w: 6, h: 5, view: tile(), links: toFleet, steps: []step{{0, red}, {1, green}},
					queries: []query{{instant: true, legend: "collectors", expr: `count(otelcol_process_uptime_seconds_total{@collector})`}}},
				{id: 10, title: "Age of data by service", about: "Age of the newest data of each service. A line ends five minutes after the last data. After that the service counts as silent above.", unit: "s", w: 12, h: 8, view: lines(),
					min: ptr(0), steps: line, links: []link{toService}, queries: []query{{legend: "{{job}}", expr: `time() - max by (job) (timestamp(` + eachInstance + `))`}}},
				{id: 11, title: "Age of data, worst instances", about: "The ten instances whose data is oldest.", unit: "s", w: 12, h: 8, view: lines(), min: ptr(0), steps: line,
					links:   []link{{title: "Service", uid: "health-service", vars: []string{"job=job", "instance=instance"}}},
					queries: []query{{legend: "{{job}} {{who}}", expr: named(`topk(10, time() - max by (job, instance) (timestamp(`+eachInstance+`)))`, eachInstance)}}},
				{id: 12, title: "Age of the last good export", about: "Time since the last successful export, by signal, of the worst instance, as the service reports it. While no metrics arrive, there is no newer report.", unit: "s", w: 12, h: 8, view: lines(), min: ptr(0),
					links: []link{toService}, queries: []query{{legend: "{{job}} {{telemetry_signal}}",
						expr: `max by (job, telemetry_signal) (time() - telemetry_export_last_success_timestamp_seconds{@own})`}}},
				{id: 13, title: "Export failures", about: "Failed exports a second, by service, signal and class, after all retries.", unit: "ops", w: 12, h: 8, view: lines(), min: ptr(0), links: []link{toService},
					queries: orNone("{{job}} {{telemetry_signal}} {{error_type}}", `sum by (job, telemetry_signal, error_type) (rate(telemetry_export_failures_total{@own}[$__rate_interval]))`)},
				{id: 16, title: "Items lost", about: "Spans, log records and metric points a second that were lost, by service, signal and reason. queue_full: the collector is too slow.", unit: "cps", w: 24, h: 8, view: lines(), min: ptr(0), links: []link{toService},
					queries: orNone("{{job}} {{telemetry_signal}} {{error_type}}", `sum by (job, telemetry_signal, error_type) (rate(telemetry_items_lost_total{@own}[$__rate_interval]))`)},
				{id: 14, title: "Invalid environment variables", about: "Instances with an invalid variable, by service and variable. Either its default applies, or its signals are not exported. The log of the instance says which.", unit: "short", w: 12, h: 6, view: lines(), min: ptr(0), links: []link{toService},
					queries: orNone("{{job}} {{telemetry_variable}}", `sum by (job, telemetry_variable) (telemetry_environment_invalid{@own})`)},
				{id: 15, title: "Mended texts", about: "Texts a second that were not valid UTF-8, by service and signal. They are exported with U+FFFD. The log of the instance says where the first one was.", unit: "cps", w: 12, h: 6, view: lines(), min: ptr(0), links: []link{toService},
					queries: orNone("{{job}} {{telemetry_signal}}", `sum by (job, telemetry_signal) (rate(telemetry_export_mended_texts_total{@own}[$__rate_interval]))`)},
			}},
			{id: 101, title: "Collectors", panels: []panel{
				{id: 20, title: "Queue fill", about: "How full the queue of each exporter is. At 100 % the collector refuses new data.", unit: "percentunit", w: 8, h: 8, view: lines(), min: ptr(0),
					steps: []step{{0, "text"}, {.5, yellow}, {.9, red}}, queries: []query{{legend: "{{job}} {{exporter}}",
						expr: `max by (job, exporter) (otelcol_exporter_queue_size{@collector} / (otelcol_exporter_queue_capacity{@collector} > 0))`}}},
				collectors(21, "Metric points sent", "Metric points a second, by exporter.", "cps", "{{job}} {{exporter}}", sent("exporter", "otelcol_exporter_sent_metric_points_total")),
				collectors(22, "Metric points failed", "Metric points a second that the backend rejected for good. It accepts or rejects a request as a whole.", "cps", "{{job}} {{exporter}}",
					failed("exporter", "otelcol_exporter_send_failed_metric_points_total")),
				collectors(23, "Metric points refused", "Metric points a second that the collector refused, because of its memory limit or a full queue. The senders retry.", "cps", "{{job}} {{receiver}}",
					failed("receiver", "otelcol_receiver_refused_metric_points_total")),
				{id: 24, title: "Spans refused or failed", about: "Spans a second. Lost spans change no number of these dashboards.", unit: "cps", w: 8, h: 8, view: lines(), min: ptr(0),
					queries: []query{
						{legend: "{{job}} {{receiver}} refused", expr: failed("receiver", "otelcol_receiver_refused_spans_total")},
						{legend: "{{job}} {{exporter}} failed", expr: failed("exporter", "otelcol_exporter_send_failed_spans_total")}}},
				{id: 25, title: "Log records refused or failed", about: "Log records a second. They are lost for the same reasons as spans.", unit: "cps", w: 8, h: 8, view: lines(), min: ptr(0),
					queries: []query{
						{legend: "{{job}} {{receiver}} refused", expr: failed("receiver", "otelcol_receiver_refused_log_records_total")},
						{legend: "{{job}} {{exporter}} failed", expr: failed("exporter", "otelcol_exporter_send_failed_log_records_total")}}},
				{id: 26, title: "Metric points not queued", about: "Metric points a second that found the exporter's queue full.", unit: "cps", w: 12, h: 8, view: lines(), min: ptr(0),
					queries: []query{{legend: "{{job}} {{exporter}}", expr: failed("exporter", "otelcol_exporter_enqueue_failed_metric_points_total")}}},
				{id: 27, title: "Uptime", about: "Uptime of each collector. A fall to 0 is a restart. After it the collector sends what it has queued on disk.", unit: "s", w: 12, h: 8, view: lines(), min: ptr(0),
					queries: []query{{legend: "{{job}} {{instance}}", expr: `max by (job, instance) (otelcol_process_uptime_seconds_total{@collector})`}}},
			}},
		},
	}
}
