package telemetry

import (
	"context"
	"errors"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

type metricExporter struct {
	sdkmetric.Exporter
	outcome *outcome
	deltas  bool // it has counts that no later export has
}

// Export of deltas continues after the reader's end. The SDK cancels a running export then, and its
// counts would be lost.
func (x metricExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	if x.deltas {
		deadline, limited := ctx.Deadline()
		if ctx = context.WithoutCancel(ctx); limited {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline)
			defer cancel()
		}
	}
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

// exportingReader, exportingSpans and exportingLogs return export errors to the caller of a flush. The
// exporters hide these errors from the SDK, so it can't.
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
	flushing chan struct{} // holds one token
}

// ForceFlush lets an export continue after ctx, because the SDK would drop the records that it has taken
// out of its queue. Only one runs at a time, so that goroutines don't pile up while a collector is dead.
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
