package main

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"
)

// troubled is how long ago the troubles begin: the store takes samples that are at most an hour old.
const troubled = 50 * time.Minute

// trouble adds to a played scene what no pod of the scenes exports: overrides, exports that fail, items
// lost, texts mended, variables that are invalid, and collectors that refuse and fail.
func (p *played) trouble(t *testing.T) {
	t.Helper()
	for _, f := range slices.Concat(p.pods, p.collectors) {
		a := &writer{app: p.store.db.Appender(context.Background())}
		known := map[string]*series{}
		for n, ms := range f.times {
			at := time.UnixMilli(ms)
			if at.Before(ago(troubled)) {
				continue
			}
			put := func(v float64, name string, pairs ...string) {
				a.put(known, at, f.job, f.instance)(v, name, pairs...)
				f.writeAt(n, v, name, pairs...)
			}
			grown := func(every float64) float64 { return math.Floor((troubled - now.Sub(at)).Seconds() / every) }
			if f.p == nil {
				const exporter = "otlp_http/prometheus"
				put(grown(7), "otelcol_exporter_send_failed_metric_points_total", "exporter", exporter)
				put(grown(11), "otelcol_exporter_enqueue_failed_metric_points_total", "exporter", exporter)
				put(grown(3), "otelcol_exporter_send_failed_spans_total", "exporter", "otlp/tempo")
				put(grown(4), "otelcol_exporter_send_failed_log_records_total", "exporter", "otlp/loki")
				put(grown(5), "otelcol_receiver_refused_metric_points_total", "receiver", "otlp")
				put(grown(6), "otelcol_receiver_refused_spans_total", "receiver", "otlp")
				put(grown(8), "otelcol_receiver_refused_log_records_total", "receiver", "otlp")
				continue
			}
			if f.conds[n].database == "fail" { // the peers are asked about it, and most can't reach it either
				for vote, n := range map[string]float64{"works": 1, "cut_off": 2, "fails": 4, "abstains": 3} {
					put(n+float64(hash(f.instance)%2), "health_peers", "health_check_name", "database", "health_peer_vote", vote)
				}
			}
			if f.job == "shop/orders" {
				put(is("fail", f.conds[n].database), "health_probe_shadow_status", "health_probe_name", "readiness", "health_probe_state", "fail")
				put(1-is("fail", f.conds[n].database), "health_probe_shadow_status", "health_probe_name", "readiness", "health_probe_state", "pass")
			}
			switch k := hash(f.instance) % 3; {
			case f.job == "shop/orders" && k == 0:
				put(1, "health_check_override", "health_check_name", "cache", "health_check_effect", "not-ready")
				put(is("fail", f.conds[n].database), "health_check_override", "health_check_name", "database", "health_check_effect", "show")
			case f.job == "shop/orders" && k == 1:
				put(grown(20), "telemetry_export_failures_total", "telemetry_signal", "metrics", "error_type", "unavailable")
				put(grown(13), "telemetry_export_failures_total", "telemetry_signal", "logs", "error_type", "timeout")
				put(grown(2), "telemetry_items_lost_total", "telemetry_signal", "traces", "error_type", "queue_full")
			case f.job == "shop/catalog", f.job == "shop/orders":
				put(grown(20), "telemetry_export_failures_total", "telemetry_signal", "metrics", "error_type", "unavailable")
				put(grown(9), "telemetry_export_mended_texts_total", "telemetry_signal", "logs")
				put(1, "telemetry_environment_invalid", "telemetry_variable", "OTEL_BSP_MAX_QUEUE_SIZE")
			}
		}
		if err := a.commit(); err != nil {
			t.Fatal(err)
		}
	}
}
