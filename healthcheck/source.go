package healthcheck

import (
	"context"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Source is where rules read metrics. Any cumulative [sdkmetric.Reader] is one:
// the Prometheus exporter that is there already, the PeriodicReader that exports,
// or a ManualReader.
type Source interface {
	Collect(context.Context, *metricdata.ResourceMetrics) error
}
