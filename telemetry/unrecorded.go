package telemetry

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// unrecordedTracers makes the spans of a service that exports none. They have the identity and sampling
// flag of recorded spans, so log lines and calls to other services are the same. They keep nothing else.
type unrecordedTracers struct {
	embedded.TracerProvider
	identities *sdktrace.TracerProvider // its spans are not recorded
	sampler    sdktrace.Sampler
}

func newUnrecordedTracers(sampler sdktrace.Sampler) *unrecordedTracers {
	return &unrecordedTracers{identities: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), sampler: sampler}
}

func (p *unrecordedTracers) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return &unrecordedTracer{provider: p, identities: p.identities.Tracer(name, options...)}
}

type unrecordedTracer struct {
	embedded.Tracer
	provider   *unrecordedTracers
	identities trace.Tracer
}

func (t *unrecordedTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if ctx == nil {
		ctx = context.Background() // as the SDK does
	}
	cfg, parent := trace.NewSpanStartConfig(options...), ctx
	if cfg.NewRoot() {
		parent = trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	}
	_, identity := t.identities.Start(parent, name)
	span := &unrecordedSpan{provider: t.provider, context: identity.SpanContext()}
	sampled := t.provider.sampler.ShouldSample(sdktrace.SamplingParameters{
		ParentContext: parent, TraceID: span.context.TraceID(), Name: name,
		Kind: cfg.SpanKind(), Attributes: cfg.Attributes(), Links: cfg.Links(),
	})
	if sampled.Decision == sdktrace.RecordAndSample {
		span.context = span.context.WithTraceFlags(span.context.TraceFlags() | trace.FlagsSampled)
	}
	return trace.ContextWithSpan(ctx, span), span
}

type unrecordedSpan struct {
	noop.Span
	provider *unrecordedTracers
	context  trace.SpanContext
}

func (s *unrecordedSpan) SpanContext() trace.SpanContext       { return s.context }
func (s *unrecordedSpan) TracerProvider() trace.TracerProvider { return s.provider }
