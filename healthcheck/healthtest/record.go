package healthtest

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// Record records a value n times in a metric, as the service does. A [time.Duration] is recorded in
// seconds, in a metric with the unit s. A number is recorded in a metric without a unit. Use it for a
// rule with a number, or for a Prometheus name that ends in its unit, such as _seconds.
//
// The metric is a gauge if a rule of the configuration reads it by rule.Last, rule.TimeSince or rule.TimeUntil, and
// a histogram otherwise. For another instrument, use T.Meter. Before the first Record the metric
// does not exist, and a rule on it is unknown. To create it without a value, use T.Meter.
func Record[N rule.Number](t *T, n int, name string, value N, attrs ...attribute.KeyValue) {
	t.Helper()
	unit, v := "", float64(value)
	if d, ok := any(value).(time.Duration); ok {
		unit, v = "s", d.Seconds()
	}
	r, err := t.recorder(name, unit)
	if err != nil {
		t.Fatalf("Record: %s: %v", name, err)
	}
	switch {
	case n < 1:
		t.Fatalf("Record: %s: n is %d; want 1 or more", name, n)
	case r.unit != unit:
		t.Fatalf("Record: %s: use a time.Duration in every call, or a number in every call", name)
	}
	for range n {
		r.record(context.Background(), v, attrs)
	}
}

// recorder is an instrument of Record.
type recorder struct {
	unit   string
	record func(context.Context, float64, []attribute.KeyValue)
}

func (t *T) recorder(name, unit string) (recorder, error) {
	if r, ok := t.recorded[name]; ok {
		return r, nil
	}
	made := recorder{unit: unit}
	if t.isGauge(name) {
		g, err := t.Meter.Float64Gauge(name, metric.WithUnit(unit))
		if err != nil {
			return made, err
		}
		made.record = func(ctx context.Context, v float64, attrs []attribute.KeyValue) {
			g.Record(ctx, v, metric.WithAttributes(attrs...))
		}
	} else {
		h, err := t.Meter.Float64Histogram(name, metric.WithUnit(unit))
		if err != nil {
			return made, err
		}
		made.record = func(ctx context.Context, v float64, attrs []attribute.KeyValue) {
			h.Record(ctx, v, metric.WithAttributes(attrs...))
		}
	}
	t.recorded[name] = made
	return made, nil
}

// isGauge reports whether a rule reads a metric as a gauge.
func (t *T) isGauge(name string) bool {
	for _, r := range t.config.Rules {
		if gauges(query.Indicator(r.Value), name) {
			return true
		}
	}
	return false
}

func gauges(i query.Indicator, name string) bool {
	switch i.Kind {
	case query.KindLast, query.KindTimeSince, query.KindTimeUntil:
		return i.Metric == name
	case query.KindRatio:
		return gauges(*i.Num, name) || gauges(*i.Den, name)
	}
	return false
}
