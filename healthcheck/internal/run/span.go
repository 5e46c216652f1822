package run

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
)

// span is the span of one run. Its processors and exporters are of others: a call may wait for a
// silent collector. While one does, runs have no span.
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
			s.End() // nobody else does
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
	_ = r.spans.Run(func() { // a fault costs this span
		if class != "" {
			s.span.SetStatus(codes.Error, class)
			s.span.SetAttributes(conventions.ErrorType.String(class))
		}
		s.span.End()
	})
}
