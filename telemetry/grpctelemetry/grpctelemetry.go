// Package grpctelemetry measures the calls of a gRPC server: a span for each call, its duration, the
// calls in flight and the age of the oldest.
//
//	calls, err := grpctelemetry.NewServerHandler(grpctelemetry.Config{MeterProvider: tel.MeterProvider, TracerProvider: tel.TracerProvider})
//	…
//	server := grpc.NewServer(grpc.StatsHandler(calls))
//
// Spans and rpc.server.call.duration are the same as those of [otelgrpc], at less cost. otelgrpc begins
// the spans. rpc.server.active_calls and rpc.server.oldest_call.age show calls that hang: these have no
// duration yet, so a histogram does not show them. Calls of grpc.health.v1.Health are left out, because
// probes are not the service's traffic.
//
// [otelgrpc]: https://pkg.go.dev/go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc
package grpctelemetry

import (
	"cmp"
	"context"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// A Config says where a handler records. The zero Config uses OpenTelemetry's globals.
type Config struct {
	MeterProvider  metric.MeterProvider          // otel.GetMeterProvider if nil
	TracerProvider trace.TracerProvider          // otel.GetTracerProvider if nil
	Propagator     propagation.TextMapPropagator // of the caller's trace; W3C trace context and baggage if nil
}

// ScopeName is the instrumentation scope of the instruments that otelgrpc does not have.
const ScopeName = "github.com/otelhealth/otelhealth/telemetry/grpctelemetry"

// buckets are those of the semantic conventions, as in otelgrpc.
var buckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// NewServerHandler returns the handler for grpc.StatsHandler. One handler may serve several servers.
// It returns an error if the MeterProvider does.
//
// The names are those of the semantic conventions 1.43. OTEL_SEMCONV_STABILITY_OPT_IN, which makes
// otelgrpc record the older rpc.server.duration, has no effect.
//
// The first 1,000 methods have series of their own. All others share _OTHER, and so do methods with names
// longer than 1 KiB, because clients of a server with an UnknownServiceHandler choose the names.
func NewServerHandler(c Config) (stats.Handler, error) {
	meters, tracers := c.MeterProvider, c.TracerProvider
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	if c.Propagator == nil {
		c.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
	meter := meters.Meter(otelgrpc.ScopeName, metric.WithInstrumentationVersion(otelgrpc.Version), metric.WithSchemaURL(semconv.SchemaURL))
	duration, err := rpcconv.NewServerCallDuration(meter, metric.WithExplicitBucketBoundaries(buckets...))
	if err != nil {
		return nil, err
	}
	h := &handler{propagator: c.Propagator, duration: duration.Inst()}
	if err := h.inFlight.register(meters.Meter(ScopeName, metric.WithSchemaURL(semconv.SchemaURL))); err != nil {
		return nil, err
	}
	h.spans = otelgrpc.NewServerHandler(otelgrpc.WithMeterProvider(noop.NewMeterProvider()), otelgrpc.WithTracerProvider(tracers), otelgrpc.WithPropagators(propagation.NewCompositeTextMapPropagator()))
	return h, nil
}

// handler lets otelgrpc's handler begin the spans. It ends them and records the metrics itself. otelgrpc would
// make a set of attributes for every call. handler looks up a ready one.
type handler struct {
	spans      stats.Handler
	propagator propagation.TextMapPropagator
	duration   metric.Float64Histogram
	methods    methods
	inFlight   inFlight
	guard      guard
}

// TagRPC begins the span of a call.
func (h *handler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if strings.HasPrefix(info.FullMethodName, "/grpc.health.v1.Health/") {
		return ctx
	}
	c := &call{Context: ctx, method: info.FullMethodName}
	tagged := context.Context(c)
	h.guard.inline(func() {
		c.Context = h.propagator.Extract(ctx, incomingOf(ctx))
		c.hidden = true
		tagged = h.spans.TagRPC(c, info)
		if c.recorded = trace.SpanFromContext(tagged).IsRecording(); c.recorded {
			c.connection, _ = ctx.Value(connectionKey{}).(*connection)
		}
	})
	c.hidden = false
	return tagged
}

// HandleRPC follows a call from its Begin to its End.
func (h *handler) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.Begin:
		if c := callOf(ctx); c != nil {
			h.inFlight.enter(c, s.BeginTime)
		}
	case *stats.InHeader:
		if c := callOf(ctx); c != nil && c.recorded && c.connection == nil {
			h.guard.inline(func() { c.connection = newConnection(ctx, s.LocalAddr) })
		}
	case *stats.End:
		c := callOf(ctx)
		if c == nil {
			return
		}
		if c.recorded {
			h.guard.inline(func() { c.end(trace.SpanFromContext(ctx), s.Error) })
		}
		h.inFlight.leave(c)
		h.guard.inline(func() {
			h.duration.Record(ctx, s.EndTime.Sub(s.BeginTime).Seconds(), h.methods.of(c.method).attributes(s.Error)...)
		})
	}
}

// end ends the span of a call as otelgrpc does, but sets all attributes at once.
func (c *call) end(span trace.Span, err error) {
	s := status.Convert(err) // nil if there is no error
	if isServerError(s.Code()) {
		span.SetStatus(otelcodes.Error, s.Message())
	}
	span.SetAttributes(c.connection.ended(s.Code())...)
	span.End()
}

// nameOf is the value of rpc.method.
func nameOf(fullMethod string) string {
	return cmp.Or(strings.TrimPrefix(fullMethod, "/"), other)
}
