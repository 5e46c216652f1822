package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
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
	mended atomic.Bool           // a mended text was logged

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

// tellLost logs how much a full queue has lost since the last export. It does not log where an item is lost,
// because that is in a request, and a log handler may block.
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

// ending shuts a processor down. If ctx ends first, items that have not arrived count as lost.
func (o *outcome) ending(ctx context.Context, shutdown func(context.Context) error) error {
	o.gate.shut()
	err := o.during(ctx, shutdown)
	late := o.gate.abandon()
	o.end()
	return errors.Join(err, late)
}
