// Package grpctelemetry measures the calls of a gRPC server: a span for each call, its duration, the
// calls in flight and the age of the oldest.
//
//	calls, err := grpctelemetry.NewServerHandler(grpctelemetry.Config{MeterProvider: tel.MeterProvider, TracerProvider: tel.TracerProvider})
//	…
//	server := grpc.NewServer(grpc.StatsHandler(calls))
//
// Spans and rpc.server.call.duration are those of [otelgrpc], which makes the spans, at less cost.
// rpc.server.active_calls and rpc.server.oldest_call.age show calls that hang: these have no
// duration yet, so a histogram never shows them. Calls of grpc.health.v1.Health are left out, or
// the probes would be the service's traffic.
//
// [otelgrpc]: https://pkg.go.dev/go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc
package grpctelemetry

import (
	"cmp"
	"context"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"
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
// An error is one of the MeterProvider's.
//
// The names are those of the semantic conventions 1.43. OTEL_SEMCONV_STABILITY_OPT_IN, which makes
// otelgrpc record the older rpc.server.duration, has no effect.
//
// The first 1,000 methods have series of their own. All further ones are _OTHER together, and so are
// those of more than 1 KiB, because a server with an UnknownServiceHandler gets names from its clients.
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
	h := &handler{duration: duration.Inst()}
	if err := h.inFlight.register(meters.Meter(ScopeName, metric.WithSchemaURL(semconv.SchemaURL))); err != nil {
		return nil, err
	}
	h.spans = otelgrpc.NewServerHandler(otelgrpc.WithMeterProvider(noop.NewMeterProvider()), otelgrpc.WithTracerProvider(tracers), otelgrpc.WithPropagators(c.Propagator))
	return h, nil
}

// handler has otelgrpc's handler make the spans, and records the metrics itself. otelgrpc makes a set
// of attributes for every call. We look it up.
type handler struct {
	spans    stats.Handler
	duration metric.Float64Histogram
	methods  methods
	inFlight inFlight
	guard    guard
}

// TagRPC begins the span of a call.
func (h *handler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if strings.HasPrefix(info.FullMethodName, "/grpc.health.v1.Health/") {
		return ctx
	}
	c := &call{Context: ctx, method: info.FullMethodName}
	h.guard.inline(func() {
		c.Context = h.spans.TagRPC(ctx, info)
		c.recorded = trace.SpanFromContext(c.Context).IsRecording()
	})
	return c
}

// HandleRPC follows a call from its Begin to its End. Of what happens, otelgrpc puts only the header
// and the end on a span.
func (h *handler) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.Begin:
		if c := callOf(ctx); c != nil {
			h.inFlight.enter(c, s.BeginTime)
		}
	case *stats.InHeader:
		if c := callOf(ctx); c != nil && c.recorded {
			h.guard.inline(func() { h.spans.HandleRPC(ctx, s) })
		}
	case *stats.End:
		c := callOf(ctx)
		if c == nil {
			return
		}
		if c.recorded {
			h.guard.inline(func() { h.spans.HandleRPC(ctx, s) })
		}
		h.inFlight.leave(c)
		h.guard.inline(func() {
			h.duration.Record(ctx, s.EndTime.Sub(s.BeginTime).Seconds(), h.methods.of(c.method).attributes(s.Error)...)
		})
	}
}

// TagConn does nothing.
func (h *handler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (h *handler) HandleConn(context.Context, stats.ConnStats) {}

// nameOf is the value of rpc.method.
func nameOf(fullMethod string) string {
	return cmp.Or(strings.TrimPrefix(fullMethod, "/"), other)
}
