package promhealth

import (
	"context"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Extend returns a reader for healthcheck.Pipeline that has the metrics of base and, by their names
// on /metrics, those of r. It is for a service that has a MeterProvider and also a registry of
// client_golang:
//
//	health.StartWith(ctx, healthcheck.Pipeline{Reader: promhealth.Extend(reader, registry), MeterProvider: provider})
//
// base must be a cumulative reader of that provider. Use the result for only one Monitor. The verdict is
// exported only by the provider, and not in r. The package documentation says what happens if a metric of r
// is late or missing. If neither base nor r has a metric, a rule on it is unknown.
func Extend(base sdkmetric.Reader, r Registry) sdkmetric.Reader {
	f := newFamilies(r)
	f.mixed = true
	return &extended{Reader: base, families: f}
}

// extended is a reader of metrics from two sources.
type extended struct {
	sdkmetric.Reader
	*families

	own metricdata.ResourceMetrics // lent to the SDK
}

// Collect is called only by the Monitor, one call at a time.
func (e *extended) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	own, err := e.collect(ctx)
	rm.Resource = own.Resource
	rm.ScopeMetrics = append(append(rm.ScopeMetrics[:0], own.ScopeMetrics...), metricdata.ScopeMetrics{Metrics: e.families.collect(ctx)})
	return err
}

// collect collects from base. If base shares its collections with exporters, like the reader of telemetry,
// the result is one of these and must not be changed.
func (e *extended) collect(ctx context.Context) (*metricdata.ResourceMetrics, error) {
	shared, ok := e.Reader.(interface {
		Snapshot(context.Context) (*metricdata.ResourceMetrics, error)
	})
	if !ok {
		err := e.Reader.Collect(ctx, &e.own)
		return &e.own, err
	}
	rm, err := shared.Snapshot(ctx)
	if rm == nil {
		rm = &metricdata.ResourceMetrics{}
	}
	return rm, err
}
