package grpctelemetry

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/stats"
)

// rude is a propagator, a sampler and a span processor. It panics at one place.
type rude struct{ place string }

func (r rude) at(place string) {
	if r.place == place {
		panic("hunter2")
	}
}

func (r rude) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context {
	r.at("propagator")
	return ctx
}
func (rude) Inject(context.Context, propagation.TextMapCarrier) {}
func (rude) Fields() []string                                   { return nil }

func (r rude) ShouldSample(p trace.SamplingParameters) trace.SamplingResult {
	r.at("sampler")
	return trace.AlwaysSample().ShouldSample(p)
}
func (rude) Description() string { return "rude" }

func (r rude) OnStart(context.Context, trace.ReadWriteSpan) { r.at("start of a span") }
func (r rude) OnEnd(trace.ReadOnlySpan)                     { r.at("end of a span") }
func (rude) Shutdown(context.Context) error                 { return nil }
func (rude) ForceFlush(context.Context) error               { return nil }

// TestProvidersThatPanic: if a propagator, a sampler, a span processor or a filter of a view panics, only the span or the
// measurement is missing. gRPC recovers nothing, so without a guard each panic would end the process. The calls are
// answered, and none stays in flight.
func TestProvidersThatPanic(t *testing.T) {
	for _, place := range []string{"propagator", "sampler", "start of a span", "end of a span", "filter"} {
		t.Run(place, func(t *testing.T) {
			var told []string
			otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { told = append(told, err.Error()) }))
			defer otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
			r := rude{place}
			reader := metric.NewManualReader()
			view := func(i metric.Instrument) (metric.Stream, bool) {
				return metric.Stream{Name: i.Name, AttributeFilter: func(attribute.KeyValue) bool { r.at("filter"); return true }}, strings.HasSuffix(i.Name, "duration")
			}
			s := newServer(t, func(setup) stats.Handler {
				return ours(setup{
					metric.NewMeterProvider(metric.WithReader(reader), metric.WithView(view)),
					trace.NewTracerProvider(trace.WithSampler(r), trace.WithSpanProcessor(r)), r,
				})
			}, func(context.Context) error { return errors.New("no") })
			for range 3 {
				if err := get(t.Context(), s.ClientConn, "/orders.Orders/Get"); err == nil || !strings.HasSuffix(err.Error(), "no") {
					t.Errorf("the answer is %v", err)
				}
			}
			s.finish()
			s.reader = reader
			if len(told) != 1 || strings.Contains(told[0], "hunter2") || !strings.Contains(told[0], "panic of string") {
				t.Errorf("told: %q", told)
			}
			all := s.metrics(t)
			if sum := all["rpc.server.active_calls"].Data.(metricdata.Sum[int64]); len(sum.DataPoints) != 1 || sum.DataPoints[0].Value != 0 {
				t.Errorf("calls in flight: %+v", sum.DataPoints)
			}
			d, ok := all["rpc.server.call.duration"].Data.(metricdata.Histogram[float64])
			if measured := ok && d.DataPoints[0].Count == 3; measured != (place != "filter") {
				t.Errorf("durations: %+v", d.DataPoints)
			}
		})
	}
}
