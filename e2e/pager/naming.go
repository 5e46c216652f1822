package pager

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/otlptranslator"
)

// A dialect is a way in which a user's Prometheus names series, and the generator's flags for it.
type dialect struct {
	name   string
	names  otlptranslator.TranslationStrategyOption
	native bool   // histograms are native
	group  string // OpenTelemetry's name of the label that separates clusters
	args   []string
}

var dialects = []dialect{
	{name: "default", names: otlptranslator.UnderscoreEscapingWithSuffixes},
	{name: "mimir", names: otlptranslator.UnderscoreEscapingWithoutSuffixes, args: []string{"--names", "mimir"}},
	{name: "clusters", names: otlptranslator.UnderscoreEscapingWithSuffixes, group: "k8s.cluster.name", args: []string{"--group-labels", "k8s_cluster_name"}},
	{name: "utf8", names: otlptranslator.NoUTF8EscapingWithSuffixes, group: "k8s.cluster.name", args: []string{"--names", "utf8", "--group-labels", "k8s.cluster.name"}},
	{name: "native", names: otlptranslator.NoTranslation, native: true, args: []string{"--names", "otel", "--histograms", "native"}},
}

// instruments are the kinds and units of metrics, from the tables that the packages' tests keep.
type instruments map[string]otlptranslator.Metric

// collectorMetrics are the collector's own metrics, as it names them.
var collectorMetrics = []otlptranslator.Metric{
	{Name: "otelcol_process_uptime", Unit: "s", Type: otlptranslator.MetricTypeMonotonicCounter},
	{Name: "otelcol_exporter_queue_size", Type: otlptranslator.MetricTypeGauge},
	{Name: "otelcol_exporter_sent_metric_points", Type: otlptranslator.MetricTypeMonotonicCounter},
	{Name: "otelcol_exporter_send_failed_metric_points", Type: otlptranslator.MetricTypeMonotonicCounter},
}

func readInstruments(root string) (instruments, error) {
	kinds := map[string]otlptranslator.MetricType{
		"counter": otlptranslator.MetricTypeMonotonicCounter, "up-down counter": otlptranslator.MetricTypeNonMonotonicCounter,
		"gauge": otlptranslator.MetricTypeGauge, "histogram": otlptranslator.MetricTypeHistogram,
	}
	all := instruments{}
	for _, m := range collectorMetrics {
		all[m.Name] = m
	}
	for _, pkg := range []string{"healthcheck", "healthcheck/blackbox", "telemetry"} {
		table, err := os.ReadFile(filepath.Join(root, pkg, "testdata", "instruments.txt"))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(table)) {
			f := strings.SplitN(line, " | ", 5)
			if len(f) != 5 {
				return nil, fmt.Errorf("%s: %q is not a line of a table of instruments", pkg, line)
			}
			all[f[0]] = otlptranslator.Metric{Name: f[0], Unit: f[2], Type: kinds[f[1]]}
		}
	}
	return all, nil
}

// metric returns a metric's name in this dialect.
func (d dialect) metric(in instruments, name string) string {
	m, ok := in[name]
	if !ok {
		return name // such as up and target_info
	}
	namer := otlptranslator.NewMetricNamer("", d.names)
	out, err := namer.Build(m)
	if err != nil {
		panic(err) // the tables' names are valid
	}
	return out
}

// label returns a label's name in this dialect.
func (d dialect) label(name string) string {
	if d.names.ShouldEscape() {
		return strings.ReplaceAll(name, ".", "_")
	}
	return name
}
