package generate

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
)

// series has all metrics of the code with their default names in Prometheus, and the metrics of
// other programs in the dashboards.
type series struct {
	own    map[string]instrument // by default name
	labels map[string]string     // OpenTelemetry's name of each label
	native bool                  // a histogram is one series, without _bucket
}

// foreign are metrics of other programs, by kind.
var foreign = map[string]string{
	"ALERTS":      "gauge",
	"target_info": "gauge",
	"up":          "gauge",

	"otelcol_exporter_queue_size":                         "gauge",
	"otelcol_exporter_queue_capacity":                     "gauge",
	"otelcol_exporter_send_failed_metric_points_total":    "counter",
	"otelcol_exporter_send_failed_spans_total":            "counter",
	"otelcol_exporter_send_failed_log_records_total":      "counter",
	"otelcol_exporter_sent_metric_points_total":           "counter",
	"otelcol_exporter_enqueue_failed_metric_points_total": "counter",
	"otelcol_receiver_refused_metric_points_total":        "counter",
	"otelcol_receiver_refused_spans_total":                "counter",
	"otelcol_receiver_refused_log_records_total":          "counter",
	"otelcol_process_uptime_seconds_total":                "counter",
}

// tables are copies of the tables in the packages' tests, because the command runs without the
// repository.
//
//go:embed instruments/*.txt
var tables embed.FS

// readSeries reads the tables of instruments.
func readSeries() (series, error) {
	s := series{own: map[string]instrument{}, labels: map[string]string{ // of target_info
		"k8s_pod_name": "k8s.pod.name", "k8s_namespace_name": "k8s.namespace.name", "k8s_node_name": "k8s.node.name", "service_version": "service.version",
	}}
	for _, pkg := range []string{"healthcheck", "blackbox", "telemetry"} {
		table, err := tables.ReadFile("instruments/" + pkg + ".txt")
		if err != nil {
			return s, err
		}
		list, err := parseInventory(string(table))
		if err != nil {
			return s, err
		}
		for _, i := range list {
			name, err := translate(i, otlptranslator.UnderscoreEscapingWithSuffixes)
			if err != nil {
				return s, err
			}
			s.own[name] = i
			for _, a := range i.Attributes {
				s.labels[strings.ReplaceAll(a, ".", "_")] = a
			}
		}
	}
	return s, nil
}

// translate returns an instrument's name in Prometheus.
func translate(i instrument, by otlptranslator.TranslationStrategyOption) (string, error) {
	kinds := map[string]otlptranslator.MetricType{
		"counter": otlptranslator.MetricTypeMonotonicCounter, "up-down counter": otlptranslator.MetricTypeNonMonotonicCounter,
		"gauge": otlptranslator.MetricTypeGauge, "histogram": otlptranslator.MetricTypeHistogram,
	}
	kind, ok := kinds[i.Kind]
	if !ok {
		return "", fmt.Errorf("%s: kind %q", i.Name, i.Kind)
	}
	namer := otlptranslator.NewMetricNamer("", by)
	return namer.Build(otlptranslator.Metric{Name: i.Name, Unit: i.Unit, Type: kind})
}

// of finds the instrument of a default name, and the part of a histogram: "", "_bucket", "_count"
// or "_sum".
func (s series) of(name string) (i instrument, part string, ok bool) {
	if i, ok = s.own[name]; ok {
		return i, "", i.Kind != "histogram" || s.native
	}
	for _, part := range []string{"_bucket", "_count", "_sum"} {
		if base, cut := strings.CutSuffix(name, part); cut {
			if i, ok := s.own[base]; ok && i.Kind == "histogram" {
				return i, part, true
			}
		}
	}
	return i, "", false
}

// kind returns "gauge" or "counter", because functions need one of them.
func (s series) kind(name string) (kind string, known bool) {
	if k, ok := foreign[name]; ok {
		return k, true
	}
	i, part, ok := s.of(name)
	switch {
	case !ok:
		return "", false
	case part != "" || i.Kind == "counter" || i.Kind == "histogram":
		return "counter", true
	}
	return "gauge", true
}

// has reports whether a metric can have a label.
func (s series) has(name, label string) bool {
	if slices.Contains([]string{"__name__", "job", "instance", "cluster", "namespace", "service_name", "service_namespace", "k8s_pod_name"}, label) {
		return true
	}
	if _, ok := foreign[name]; ok {
		return true
	}
	i, part, ok := s.of(name)
	return ok && (part == "_bucket" && label == "le" || slices.Contains(i.Attributes, s.labels[label]))
}
