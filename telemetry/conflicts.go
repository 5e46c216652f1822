package telemetry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// scrapeConflicts is the name of an instrument.
const scrapeConflicts = "telemetry.scrape.conflicts"

const attrMetric = attribute.Key("telemetry.metric")

// namesRule only informs, because the process works as before.
var namesRule = rule.Rule{
	Name: "telemetry-names", Value: rule.Last(scrapeConflicts), Per: []string{string(attrMetric)},
	Fail: rule.Above(0), OnFail: healthcheck.ShowOnly,
}

// nameConflicts shows the names with series that /metrics leaves out. The instrument and the check are
// created with the first such name.
type nameConflicts struct {
	mu    sync.Mutex
	names map[string]bool
}

// showConflicts adds names. The first makes the instrument and the check.
func (t *Telemetry) showConflicts(names []string) {
	c := &t.conflicts
	c.mu.Lock()
	first := c.names == nil && len(names) > 0
	if first {
		c.names = map[string]bool{}
	}
	for _, name := range names {
		if len(c.names) < maxErrors {
			c.names[name] = true
		}
	}
	c.mu.Unlock()
	if !first {
		return
	}
	_, err := t.metrics.Meter(scopeName, metric.WithSchemaURL(semconv.SchemaURL)).Int64ObservableUpDownCounter(scrapeConflicts, metric.WithUnit("1"),
		metric.WithDescription("1 for each name on /metrics that several instruments have, so that series are left out."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			c.mu.Lock()
			names := slices.Collect(maps.Keys(c.names))
			c.mu.Unlock()
			for _, name := range names {
				o.Observe(1, metric.WithAttributes(attrMetric.String(name)))
			}
			return nil
		}))
	if err == nil && t.health != nil {
		_, _ = t.health.AddRule(namesRule) // an error means that a check of the user has the name, or that health has stopped
	}
}

// conflict is a name in Prometheus that several instruments have.
type conflict struct {
	name     string
	types    bool // their types differ there
	sentence string
}

// conflicts finds them in an existing snapshot, because a collection would run foreign code during the
// scrape.
func (l *scrapeErrors) conflicts() (list []conflict) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherLimit)
	defer cancel()
	rm, err := l.metrics.Snapshot(ctx)
	if err != nil {
		return nil
	}
	namer := otlptranslator.NewMetricNamer("", translation)
	users, types := map[string]map[string]bool{}, map[string]map[otlptranslator.MetricType]bool{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			kind, word := kindOf(m.Data)
			name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kind})
			if err != nil {
				continue
			}
			if users[name] == nil {
				users[name], types[name] = map[string]bool{}, map[otlptranslator.MetricType]bool{}
			}
			users[name][m.Name+" ("+word+")"] = true
			if kind == otlptranslator.MetricTypeNonMonotonicCounter {
				kind = otlptranslator.MetricTypeGauge
			}
			types[name][kind] = true
		}
	}
	for name, of := range users {
		if len(of) > 1 {
			list = append(list, conflict{name, len(types[name]) > 1, fmt.Sprintf("series of %s are left out, because it is the name of %s; rename one",
				name, strings.Join(slices.Sorted(maps.Keys(of)), " and "))})
		}
	}
	return list
}

func kindOf(data metricdata.Aggregation) (kind otlptranslator.MetricType, word string) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return kindOfSum(d.IsMonotonic)
	case metricdata.Sum[float64]:
		return kindOfSum(d.IsMonotonic)
	case metricdata.Gauge[int64], metricdata.Gauge[float64]:
		return otlptranslator.MetricTypeGauge, "gauge"
	case metricdata.Histogram[int64], metricdata.Histogram[float64], metricdata.ExponentialHistogram[int64], metricdata.ExponentialHistogram[float64]:
		return otlptranslator.MetricTypeHistogram, "histogram"
	case metricdata.Summary:
		return otlptranslator.MetricTypeSummary, "summary"
	}
	return otlptranslator.MetricTypeUnknown, "unknown"
}

func kindOfSum(monotonic bool) (otlptranslator.MetricType, string) {
	if monotonic {
		return otlptranslator.MetricTypeMonotonicCounter, "counter"
	}
	return otlptranslator.MetricTypeNonMonotonicCounter, "up-down counter"
}
