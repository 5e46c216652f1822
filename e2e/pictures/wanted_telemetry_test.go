package main

import (
	"math"
	"time"
)

var telemetryFigures = map[string]wanted{
	"1 A": {count: func(l look) rows {
		r := rows{}
		for _, f := range l.age(func(f *life) string { return f.instance }, lookback) {
			r.raise(of(), f.hi)
		}
		return r
	}},
	"2 A": {count: func(l look) rows {
		for _, f := range l.seen {
			if f.last(l.end, l.span) >= 0 {
				return one(float64(len(l.silent())))
			}
		}
		return rows{}
	}},
	"3 A": {count: func(l look) rows {
		r := rows{}
		l.rate = l.span
		for _, f := range l.rates(l.seen, "telemetry_export_failures_total", nil) {
			r[of()] = f.times(l.span.Seconds())
		}
		if len(r) == 0 && len(l.heard(fresh)) > 0 {
			return one(0)
		}
		return r
	}},
	"4 A":  {count: func(l look) rows { return one(float64(len(l.collectors))) }},
	"10 A": {count: func(l look) rows { return l.age(byJob, lookback) }},
	"11 A": {top: 10, count: func(l look) rows {
		return l.age(func(f *life) string { return of("job", f.job, "instance", f.instance, "who", f.p.name) }, lookback)
	}},
	"12 A": {count: func(l look) rows {
		r := rows{}
		l.gauges(l.seen, "telemetry_export_last_success_timestamp_seconds", func(f *life, c *column, v float64) {
			r.raise(keyOf(f, c, []string{"job", "telemetry_signal"}), float64(l.at)/1000-v)
		})
		return r
	}},
	"13 A": {count: rateOf("telemetry_export_failures_total", "job", "telemetry_signal", "error_type")},
	"13 B": {count: orNone(rateOf("telemetry_export_failures_total"), "health_probe_status")},
	"16 A": {count: rateOf("telemetry_items_lost_total", "job", "telemetry_signal", "error_type")},
	"16 B": {count: orNone(rateOf("telemetry_items_lost_total"), "health_probe_status")},
	"14 A": {count: total("telemetry_environment_invalid", "job", "telemetry_variable")},
	"14 B": {count: orNone(total("telemetry_environment_invalid"), "health_probe_status")},
	"15 A": {count: rateOf("telemetry_export_mended_texts_total", "job", "telemetry_signal")},
	"15 B": {count: orNone(rateOf("telemetry_export_mended_texts_total"), "health_probe_status")},
	"20 A": {count: func(l look) rows {
		r := rows{}
		l.gauges(l.collectors, "otelcol_exporter_queue_size", func(f *life, c *column, v float64) {
			r.raise(keyOf(f, c, []string{"job", "exporter"}), v/1000)
		})
		return r
	}},
	"21 A": {count: func(l look) rows {
		return l.rates(l.collectors, "otelcol_exporter_sent_metric_points_total", []string{"job", "exporter"})
	}},
	"22 A": {count: ofCollectors("otelcol_exporter_send_failed_metric_points_total", "exporter")},
	"23 A": {count: ofCollectors("otelcol_receiver_refused_metric_points_total", "receiver")},
	"24 A": {count: ofCollectors("otelcol_receiver_refused_spans_total", "receiver")},
	"24 B": {count: ofCollectors("otelcol_exporter_send_failed_spans_total", "exporter")},
	"25 A": {count: ofCollectors("otelcol_receiver_refused_log_records_total", "receiver")},
	"25 B": {count: ofCollectors("otelcol_exporter_send_failed_log_records_total", "exporter")},
	"26 A": {count: ofCollectors("otelcol_exporter_enqueue_failed_metric_points_total", "exporter")},
	"27 A": {count: func(l look) rows {
		r := rows{}
		for i, f := range l.collectors {
			if n := f.last(l.at, lookback); n >= 0 {
				r[of("job", f.job, "instance", f.instance)] = exactly(math.Round(time.UnixMilli(f.times[n]).Sub(l.w.collectors[i].start).Seconds()))
			}
		}
		return r
	}},
}

// ofCollectors are rates of a counter that collectors export only after the first event, or a line at 0.
func ofCollectors(name, label string) func(l look) rows {
	return func(l look) rows {
		if r := l.rates(l.collectors, name, []string{"job", label}); len(r) > 0 {
			return r
		}
		r := rows{}
		for key := range l.rates(l.collectors, "otelcol_process_uptime_seconds_total", []string{"job"}) {
			r[key] = exactly(0)
		}
		return r
	}
}
