package telemetry

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
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

// itemsLost is the name of an instrument.
const itemsLost = "telemetry.items.lost"

const attrSignal = attribute.Key("telemetry.signal")

// outcomes counts the results of each signal's exports. Operators see them on /metrics and in the
// response even if no export succeeds.
type outcomes struct {
	errorLogger *errorLogger
	failures    atomic.Pointer[metric.Int64Counter] // created once there is a MeterProvider; nil before
	texts       atomic.Pointer[metric.Int64Counter] // as failures
	lost        atomic.Pointer[metric.Int64Counter] // like failures

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

	gate *gate           // before the queue; nil for metrics
	life context.Context // its end ends a running export
	end  func()

	mu   sync.Mutex
	lost map[string]*loss // by error.type
}

// loss is what was lost for one reason.
type loss struct {
	items, told int64
	attributes  metric.MeasurementOption
}

func newOutcomes(c *errorLogger) *outcomes {
	o := &outcomes{errorLogger: c}
	o.metrics.signal, o.traces.signal, o.logs.signal = "metrics", "traces", "logs"
	for _, s := range []*outcome{&o.metrics, &o.traces, &o.logs} {
		s.outcomes, s.lost = o, map[string]*loss{}
		s.life, s.end = context.WithCancel(context.Background())
	}
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
	lost, err := meter.Int64Counter(itemsLost, metric.WithUnit("{item}"),
		metric.WithDescription("Spans, log records and points of metrics that did not arrive, by reason."))
	if err != nil {
		return err
	}
	o.lost.Store(&lost)
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.limit > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}
	stop := context.AfterFunc(o.life, cancel)
	defer stop()
	err := export(ctx)
	if err == nil {
		o.last.Store(time.Now().UnixMilli())
		o.tellLost("is too slow")
		return
	}
	class := exportError(err)
	err = shortError(err)
	o.failed.Store(&err)
	if c := o.failures.Load(); c != nil {
		(*c).Add(context.WithoutCancel(ctx), 1, metric.WithAttributes(attrSignal.String(o.signal), semconv.ErrorTypeKey.String(class)))
	}
	o.errorLogger.Handle(err)
	o.tellLost("does not take them")
}

// send makes one request, and counts the items that do not arrive.
func (o *outcome) send(ctx context.Context, items int, export func(context.Context) error) error {
	var status statusError
	err := export(context.WithValue(ctx, lastStatus{}, &status))
	if err == nil {
		return nil
	}
	if status != 0 {
		err = fmt.Errorf("export: %w", status) // without the server's text
	}
	if n, partial := rejected(err); partial {
		if n <= 0 { // a warning: all were accepted
			o.errorLogger.Handle(err)
			return nil
		}
		items = int(min(n, int64(items)))
	}
	o.lose(items, exportError(err))
	return err
}

// rejected returns how many items an answer has rejected. The error's type is internal to the
// exporters, its field is not.
func rejected(err error) (items int64, partial bool) {
	switch e := err.(type) {
	case nil:
		return 0, false
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if items, partial = rejected(one); partial {
				return items, partial
			}
		}
		return 0, false
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Struct {
		if f := v.FieldByName("RejectedItems"); f.IsValid() && f.CanInt() {
			return f.Int(), true
		}
	}
	return rejected(errors.Unwrap(err))
}

// lose counts items that do not arrive.
func (o *outcome) lose(items int, reason string) {
	if items <= 0 {
		return
	}
	o.mu.Lock()
	l := o.lost[reason]
	if l == nil {
		l = &loss{attributes: metric.WithAttributeSet(attribute.NewSet(attrSignal.String(o.signal), semconv.ErrorTypeKey.String(reason)))}
		o.lost[reason] = l
	}
	l.items += int64(items)
	o.mu.Unlock()
	if c := o.outcomes.lost.Load(); c != nil {
		(*c).Add(context.Background(), int64(items), l.attributes)
	}
}

// tellLost says how much a full queue has lost since the last export. It is said here and not where
// an item is lost, because that is in a request, and a log handler may block.
func (o *outcome) tellLost(collector string) {
	o.mu.Lock()
	items := int64(0)
	for _, reason := range []string{queueFull, queueBytes} {
		if l := o.lost[reason]; l != nil {
			items += l.items - l.told
			l.told = l.items
		}
	}
	o.mu.Unlock()
	if items > 0 {
		o.errorLogger.Handle(fmt.Errorf("%s: %d items were lost, because the queue was full: the collector %s", o.signal, items, collector))
	}
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
	if _, partial := rejected(err); partial {
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
	left := maxWrapped
	if in, ok := find[interface{ GRPCStatus() *status.Status }](err, &left); ok && in.GRPCStatus().Code() != codes.OK {
		return in.GRPCStatus()
	}
	return nil
}

// maxWrapped bounds the errors in an error.
const maxWrapped = 64

// find is errors.AsType, but it ends if Unwrap runs in a circle.
func find[T any](err error, left *int) (found T, ok bool) {
	if *left--; *left < 0 || err == nil {
		return found, false
	}
	if found, ok = err.(T); ok {
		return found, true
	}
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		return find[T](wrapper.Unwrap(), left)
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			if found, ok = find[T](inner, left); ok || *left < 0 {
				return found, ok
			}
		}
	}
	return found, false
}

type metricExporter struct {
	sdkmetric.Exporter
	outcome *outcome
}

func (x metricExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	x.outcome.of(ctx, func(ctx context.Context) error {
		return inParts(ctx, x.outcome, metricParts(rm), pointsIn, func(ctx context.Context, rm *metricdata.ResourceMetrics) error {
			err := x.Exporter.Export(ctx, rm)
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil // the reader ends, and its last export has all counts
			}
			return err
		})
	})
	return nil
}

type spanExporter struct {
	sdktrace.SpanExporter
	outcome *outcome
}

func (x spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	x.outcome.of(ctx, func(ctx context.Context) error {
		parts := cut(spans, func(s *sdktrace.ReadOnlySpan) int { return spanSize(*s) })
		return inParts(ctx, x.outcome, parts, countOf, x.SpanExporter.ExportSpans)
	})
	return nil
}

type logExporter struct {
	sdklog.Exporter
	outcome *outcome
}

func (x logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	x.outcome.of(ctx, func(ctx context.Context) error {
		return inParts(ctx, x.outcome, cut(records, recordSize), countOf, x.Exporter.Export)
	})
	return nil
}

func countOf[T any](part []T) int { return len(part) }

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
	gatedSpans
	outcome *outcome
}

func (p exportingSpans) ForceFlush(ctx context.Context) error {
	return p.outcome.during(ctx, p.SpanProcessor.ForceFlush)
}

func (p exportingSpans) Shutdown(ctx context.Context) error {
	return p.outcome.ending(ctx, p.SpanProcessor.Shutdown)
}

type exportingLogs struct {
	sdklog.Processor
	outcome  *outcome
	flushing chan struct{} // of one
}

// ForceFlush waits for an export that goes on after ctx, because the SDK would drop the records that
// it has taken out of its queue. It is one at a time, so that a dead collector makes no goroutines.
func (p exportingLogs) ForceFlush(ctx context.Context) error {
	select {
	case p.flushing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.outcome.during(ctx, func(ctx context.Context) error {
		return together(ctx, func(context.Context) error {
			defer func() { <-p.flushing }()
			return p.Processor.ForceFlush(context.WithoutCancel(ctx))
		})
	})
}

func (p exportingLogs) Shutdown(ctx context.Context) error {
	return p.outcome.ending(ctx, p.Processor.Shutdown)
}

// ending shuts a processor down. If ctx ends before, what has not arrived is lost.
func (o *outcome) ending(ctx context.Context, shutdown func(context.Context) error) error {
	o.gate.shut()
	err := o.during(ctx, shutdown)
	late := o.gate.abandon()
	o.end()
	return errors.Join(err, late)
}
