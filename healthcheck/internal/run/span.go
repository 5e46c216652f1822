package run

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

// span is the span of one run. Its processors and exporters are foreign code: a call may wait for a collector
// that does not answer. Meanwhile runs have no span.
type span struct {
	span    trace.Span // nil if there is none
	context trace.SpanContext
}

// begin starts a span, and returns the context in it.
func (r *Runner) begin(ctx context.Context) (context.Context, span) {
	type begun struct {
		ctx context.Context
		span
	}
	var late atomic.Bool
	b, err := guard.Ask(&r.spans, func() begun {
		inner, s := r.tracer.Start(ctx, "health.check "+r.Check.Name, trace.WithNewRoot(),
			trace.WithAttributes(conventions.CheckName.String(r.Check.Name)))
		if late.Load() {
			s.End() // the span came too late, and nothing else ends it
		}
		return begun{inner, span{s, s.SpanContext()}}
	})
	if err != nil || b.ctx == nil {
		late.Store(true)
		return ctx, span{}
	}
	return b.ctx, b.span
}

// end ends a span. class is the error.type of a failed run.
func (r *Runner) end(s span, class string) {
	if s.span == nil {
		return
	}
	_ = r.spans.Run(func() { // after a fault this span is missing
		if class != "" {
			s.span.SetStatus(codes.Error, class)
			s.span.SetAttributes(conventions.ErrorType.String(class))
		}
		s.span.End()
	})
}
