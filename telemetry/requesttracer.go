package telemetry

import (
	"context"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// requestTracers is the TracerProvider of otelhttp inside of Instrument. A span that is recorded gets
// only those attributes that are exported, so the SDK does not copy, compare and keep the others. A
// span that is not recorded gets none. No sampler of ours looks at them.
type requestTracers struct{ trace.TracerProvider }

func (p requestTracers) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return requestTracer{p.TracerProvider.Tracer(name, options...)}
}

type requestTracer struct{ trace.Tracer }

var ofServer = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}

func (t requestTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	start := ofServer
	if at := otelhttp.StartTimeFromContext(ctx); !at.IsZero() {
		start = append([]trace.SpanStartOption{trace.WithTimestamp(at)}, start...)
	}
	ctx, span := t.Tracer.Start(ctx, name, start...)
	if span.IsRecording() {
		cfg := trace.NewSpanStartConfig(options...)
		span.SetAttributes(exportedOfRequest(cfg.Attributes())...)
	}
	return ctx, span
}

// exportedOfRequest keeps those attributes that are exported, in the same memory. Their texts do not
// hold the line of the request, of which otelhttp makes some.
func exportedOfRequest(attributes []attribute.KeyValue) []attribute.KeyValue {
	kept := attributes[:0]
	for _, kv := range attributes {
		switch {
		case isSensitive(kv.Key, trace.SpanKindServer):
			continue
		case kv.Key == semconv.HTTPRequestMethodOriginalKey:
			kv.Value = attribute.StringValue(strings.Clone(kv.Value.AsString()))
		}
		kept = append(kept, kv)
	}
	return kept
}
