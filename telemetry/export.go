package telemetry

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const attrSignal = attribute.Key("telemetry.signal")

// outcomes counts what became of each signal's exports. It reaches people over
// /metrics and the response even while nothing gets out.
type outcomes struct {
	failures metric.Int64Counter // created once there is a MeterProvider; nil before
	last     map[string]*atomic.Int64
}

func newOutcomes() *outcomes {
	return &outcomes{last: map[string]*atomic.Int64{"metrics": {}, "traces": {}, "logs": {}}}
}

// instrument creates the instruments of the signals that are exported.
func (o *outcomes) instrument(mp metric.MeterProvider) (err error) {
	meter := mp.Meter(scopeName, metric.WithSchemaURL(semconv.SchemaURL))
	o.failures, err = meter.Int64Counter("telemetry.export.failures", metric.WithUnit("{export}"),
		metric.WithDescription("Exports that failed or were accepted in part, after all retries."))
	if err != nil {
		return err
	}
	_, err = meter.Float64ObservableGauge("telemetry.export.last_success.timestamp", metric.WithUnit("s"),
		metric.WithDescription("Unix time of the last export that succeeded."),
		metric.WithFloat64Callback(func(_ context.Context, obs metric.Float64Observer) error {
			for signal, at := range o.last {
				if ms := at.Load(); ms != 0 {
					obs.Observe(float64(ms)/1e3, metric.WithAttributes(attrSignal.String(signal)))
				}
			}
			return nil
		}))
	return err
}

// done notes the outcome of one export.
func (o *outcomes) done(signal string, err error) error {
	if err == nil {
		o.last[signal].Store(time.Now().UnixMilli())
		return nil
	}
	if o.failures != nil {
		o.failures.Add(context.Background(), 1, metric.WithAttributes(attrSignal.String(signal), semconv.ErrorTypeKey.String(exportError(err))))
	}
	return err
}

// exportError is the bounded name of a failed export: partial_success, timeout, or
// the gRPC status code.
func exportError(err error) string {
	if strings.Contains(err.Error(), "partial success") { // its type is internal to the exporters
		return "partial_success"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	if s := rpcStatus(err); s != nil {
		if s.Code() != codes.DeadlineExceeded {
			return s.Code().String()
		}
		return "timeout"
	}
	return semconv.ErrorTypeOther.Value.AsString()
}

// rpcStatus is the gRPC status in an error; nil if there is none.
func rpcStatus(err error) *status.Status {
	var in interface{ GRPCStatus() *status.Status }
	if errors.As(err, &in) && in.GRPCStatus().Code() != codes.OK {
		return in.GRPCStatus()
	}
	return nil
}

type metricExporter struct {
	sdkmetric.Exporter
	outcomes *outcomes
}

func (x metricExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	return x.outcomes.done("metrics", x.Exporter.Export(ctx, rm))
}

type spanExporter struct {
	sdktrace.SpanExporter
	outcomes *outcomes
}

func (x spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return x.outcomes.done("traces", x.SpanExporter.ExportSpans(ctx, spans))
}

type logExporter struct {
	sdklog.Exporter
	outcomes *outcomes
}

func (x logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	return x.outcomes.done("logs", x.Exporter.Export(ctx, records))
}
