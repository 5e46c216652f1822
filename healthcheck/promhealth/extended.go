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
// base must be a cumulative reader of that provider. The verdict is exported by the provider alone.
// What r has, and when it is late or missing, is as for [Start], but a metric in neither of both is
// unknown by healthcheck's own words.
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
	err := e.Reader.Collect(ctx, &e.own)
	rm.Resource = e.own.Resource
	rm.ScopeMetrics = append(append(rm.ScopeMetrics[:0], e.own.ScopeMetrics...), metricdata.ScopeMetrics{Metrics: e.families.collect(ctx)})
	return err
}
