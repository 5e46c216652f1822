package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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

// outcomes counts the results of each signal's exports. Operators see them on /metrics and in the
// response even if no export succeeds.
type outcomes struct {
	errorLogger *errorLogger
	failures    atomic.Pointer[metric.Int64Counter] // created once there is a MeterProvider; nil before
	texts       atomic.Pointer[metric.Int64Counter] // as failures

	metrics, traces, logs outcome
}

// outcome is the result of one signal's exports.
type outcome struct {
	*outcomes
	signal string
	limit  time.Duration         // of one export with all its attempts; 0 if the exporter has its own
	last   atomic.Int64          // last success, in Unix milliseconds
	failed atomic.Pointer[error] // since the last flush began
	mended atomic.Bool           // it was said that texts are mended
}

func newOutcomes(c *errorLogger) *outcomes {
	o := &outcomes{errorLogger: c}
	o.metrics.outcomes, o.metrics.signal = o, "metrics"
	o.traces.outcomes, o.traces.signal = o, "traces"
	o.logs.outcomes, o.logs.signal = o, "logs"
	return o
}

// instrument creates the instruments of the signals that are exported.
func (o *outcomes) instrument(mp metric.MeterProvider) error {
	meter := mp.Meter(scopeName, metric.WithSchemaURL(semconv.SchemaURL))
	failures, err := meter.Int64Counter("telemetry.export.failures", metric.WithUnit("{export}"),
		metric.WithDescription("Exports that failed or were accepted in part, after all retries, and callbacks of metrics that failed."))
	if err != nil {
		return err
	}
	o.failures.Store(&failures)
	if err := o.instrumentMended(meter); err != nil {
		return err
	}
	_, err = meter.Float64ObservableGauge("telemetry.export.last_success.timestamp", metric.WithUnit("s"),
		metric.WithDescription("Unix time of the last export that succeeded."),
		metric.WithFloat64Callback(func(_ context.Context, obs metric.Float64Observer) error {
			for _, s := range []*outcome{&o.metrics, &o.traces, &o.logs} {
				if ms := s.last.Load(); ms != 0 {
					obs.Observe(float64(ms)/1e3, metric.WithAttributes(attrSignal.String(s.signal)))
				}
			}
			return nil
		}))
	return err
}

// of makes one export within the limit and records its result. It hides errors from the SDK,
// because the SDK would pass them to OpenTelemetry's error handler, which belongs to the process and
// not to this pipeline.
func (o *outcome) of(ctx context.Context, export func(context.Context) error) {
	if o.limit > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}
	var status statusError
	err := export(context.WithValue(ctx, lastStatus{}, &status))
	if err == nil {
		o.last.Store(time.Now().UnixMilli())
		return
	}
	if status != 0 {
		err = fmt.Errorf("export: %w", status) // without the server's text
	}
	o.failed.Store(&err)
	if c := o.failures.Load(); c != nil {
		(*c).Add(context.WithoutCancel(ctx), 1, metric.WithAttributes(attrSignal.String(o.signal), semconv.ErrorTypeKey.String(exportError(err))))
	}
	o.errorLogger.Handle(err)
}

// during returns the error of an export that a flush or a shutdown has made, because the caller
// wants to know it.
func (o *outcome) during(ctx context.Context, flush func(context.Context) error) error {
	o.failed.Store(nil)
	err := flush(ctx)
	if failed := o.failed.Load(); failed != nil {
		return errors.Join(err, *failed)
	}
	return err
}

// exportError returns the bounded class of a failed export: partial_success, timeout,
// connection_error, or the status of HTTP or gRPC.
func exportError(err error) string {
	if s, ok := errors.AsType[statusError](err); ok {
		return strconv.Itoa(int(s))
	}
	if strings.Contains(err.Error(), "partial success") { // its type is internal to the exporters
		return "partial_success"
	}
	if _, ok := errors.AsType[broken](err); ok {
		return "connection_error"
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

// rpcStatus returns the gRPC status in an error; nil if there is none.
func rpcStatus(err error) *status.Status {
	var in interface{ GRPCStatus() *status.Status }
	if errors.As(err, &in) && in.GRPCStatus().Code() != codes.OK {
		return in.GRPCStatus()
	}
	return nil
}

type metricExporter struct {
	sdkmetric.Exporter
	outcome *outcome
}

func (x metricExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	x.outcome.of(ctx, func(ctx context.Context) error {
		err := inParts(ctx, metricParts(rm), x.Exporter.Export)
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil // the reader ends, and its last export has all counts
		}
		return err
	})
	return nil
}

type spanExporter struct {
	sdktrace.SpanExporter
	outcome *outcome
}

func (x spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	x.outcome.of(ctx, func(ctx context.Context) error {
		return inParts(ctx, cut(spans, spanSize), x.SpanExporter.ExportSpans)
	})
	return nil
}

type logExporter struct {
	sdklog.Exporter
	outcome *outcome
}

func (x logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	x.outcome.of(ctx, func(ctx context.Context) error {
		return inParts(ctx, cut(records, recordSize), x.Exporter.Export)
	})
	return nil
}

// exportingReader, exportingSpans and exportingLogs return export errors to the caller of a flush,
// because their exporters hide these from the SDK.
type exportingReader struct {
	*sdkmetric.PeriodicReader
	outcome *outcome
}

func (r exportingReader) ForceFlush(ctx context.Context) error {
	return r.outcome.during(ctx, r.PeriodicReader.ForceFlush)
}

func (r exportingReader) Shutdown(ctx context.Context) error {
	return r.outcome.during(ctx, r.PeriodicReader.Shutdown)
}

type exportingSpans struct {
	sdktrace.SpanProcessor
	outcome *outcome
}

func (p exportingSpans) ForceFlush(ctx context.Context) error {
	return p.outcome.during(ctx, p.SpanProcessor.ForceFlush)
}

func (p exportingSpans) Shutdown(ctx context.Context) error {
	return p.outcome.during(ctx, p.SpanProcessor.Shutdown)
}

type exportingLogs struct {
	sdklog.Processor
	outcome *outcome
}

func (p exportingLogs) ForceFlush(ctx context.Context) error {
	return p.outcome.during(ctx, p.Processor.ForceFlush)
}

func (p exportingLogs) Shutdown(ctx context.Context) error {
	return p.outcome.during(ctx, p.Processor.Shutdown)
}
