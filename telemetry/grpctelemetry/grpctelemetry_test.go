package grpctelemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

func ours(s setup) stats.Handler {
	h, err := NewServerHandler(Config{MeterProvider: s.meters, TracerProvider: s.traces, Propagator: s.prop})
	if err != nil {
		panic(err)
	}
	return h
}

func theirs(s setup) stats.Handler {
	return otelgrpc.NewServerHandler(otelgrpc.WithMeterProvider(s.meters), otelgrpc.WithTracerProvider(s.traces), otelgrpc.WithPropagators(s.prop),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())))
}

// TestLikeOtelgrpc: spans, series and what the client sees are those of otelgrpc alone, for every
// status code and kind of call.
func TestLikeOtelgrpc(t *testing.T) {
	type outcome struct{ client, spans, series string }
	run := func(t *testing.T, h func(setup) stats.Handler, do func(context.Context) error, call func(context.Context, *server) error) outcome {
		s := newServer(t, h, do)
		err := call(t.Context(), s)
		s.finish()
		var spans []string
		for _, sp := range s.spans.Ended() {
			spans = append(spans, fmt.Sprint(sp.Name(), sp.SpanKind(), sp.Status(), sp.Parent().TraceID(), sp.Parent().IsRemote(), sp.InstrumentationScope(), sorted(sp.Attributes())))
		}
		slices.Sort(spans)
		text := fmt.Sprint(status.Code(err), errors.Is(err, io.EOF))
		return outcome{text, strings.Join(spans, "\n"), series(t, s)}
	}
	unary := func(ctx context.Context, s *server) error { return get(ctx, s.ClientConn, "/orders.Orders/Get") }
	type kind struct {
		name string
		do   func(context.Context) error
		call func(context.Context, *server) error
	}
	kinds := []kind{
		{"a stream", func(context.Context) error { return nil }, func(ctx context.Context, s *server) error { return list(ctx, s.ClientConn) }},
		{"a failing stream", func(context.Context) error { return status.Error(codes.Internal, "x") }, func(ctx context.Context, s *server) error { return list(ctx, s.ClientConn) }},
		{"no status", func(context.Context) error { return errors.New("plain") }, unary},
		{"a caller's trace", func(context.Context) error { return nil }, func(ctx context.Context, s *server) error {
			return unary(metadata.AppendToOutgoingContext(ctx, "traceparent", "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01", "baggage", "a=b"), s)
		}},
		{"a health check", nil, func(ctx context.Context, s *server) error {
			_, err := grpc_health_v1.NewHealthClient(s).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}},
		{"a made-up code", func(context.Context) error { return status.Error(codes.Code(99), "x") }, unary},
		{"several", func(context.Context) error { return nil }, func(ctx context.Context, s *server) error {
			return errors.Join(unary(ctx, s), unary(ctx, s), unary(ctx, s))
		}},
	}
	for code := range codes.Unauthenticated + 1 {
		kinds = append(kinds, kind{code.String(), func(context.Context) error { return status.Error(code, "x") }, unary})
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			want, got := run(t, theirs, k.do, k.call), run(t, ours, k.do, k.call)
			if got != want {
				t.Errorf("ours:\n%+v\notelgrpc:\n%+v", got, want)
			}
			if (want.series == "") != (k.name == "a health check") {
				t.Errorf("series of otelgrpc: %q", want.series)
			}
		})
	}
}

// series writes the counts of all durations.
func series(t *testing.T, s *server) string {
	var all []string
	m, ok := s.metrics(t)["rpc.server.call.duration"]
	if !ok {
		return ""
	}
	h := m.Data.(metricdata.Histogram[float64])
	for _, p := range h.DataPoints {
		all = append(all, fmt.Sprint(m.Unit, m.Description, p.Count, p.Bounds, sorted(p.Attributes.ToSlice())))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func sorted(attrs []attribute.KeyValue) []string {
	var all []string
	for _, kv := range attrs {
		all = append(all, fmt.Sprint(kv))
	}
	slices.Sort(all)
	return all
}

// TestCallsInFlight: calls that hang are visible while they hang, and a health check is none.
func TestCallsInFlight(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := newServer(t, ours, func(context.Context) error { entered <- struct{}{}; <-leave; return nil })
	if m, ok := s.metrics(t)["rpc.server.active_calls"]; ok {
		t.Errorf("before the first call: %+v", m)
	}
	got := make(chan error, 3)
	for range 3 {
		go func() { got <- get(t.Context(), s.ClientConn, "/orders.Orders/Get") }()
		<-entered
	}
	if _, err := grpc_health_v1.NewHealthClient(s).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	active := func() int64 {
		return s.metrics(t)["rpc.server.active_calls"].Data.(metricdata.Sum[int64]).DataPoints[0].Value
	}
	age := func() float64 {
		return s.metrics(t)["rpc.server.oldest_call.age"].Data.(metricdata.Gauge[float64]).DataPoints[0].Value
	}
	first := age()
	if n := active(); n != 3 || first <= 0 || age() <= first {
		t.Errorf("%d calls, the oldest is %v s", n, first)
	}
	for range 3 {
		leave <- struct{}{}
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	s.finish()
	if n, last := active(), age(); n != 0 || last != 0 {
		t.Errorf("%d calls, the oldest is %v s, and all have ended", n, last)
	}
}

// TestOldestLeavesFirst: the age is that of the oldest of the others, in any order of the ends.
func TestOldestLeavesFirst(t *testing.T) {
	var f inFlight
	now := time.Now()
	calls := make([]*call, 4)
	for n := range calls {
		calls[n] = &call{}
		f.enter(calls[n], now.Add(-time.Duration(len(calls)-n)*time.Hour))
	}
	for _, c := range []struct{ leaves, hours int }{{1, 4}, {0, 2}, {0, 2}, {3, 2}, {2, 0}} {
		f.leave(calls[c.leaves])
		if got := int(f.age() / time.Hour); got != c.hours {
			t.Errorf("after call %d: %d h, want %d", c.leaves, got, c.hours)
		}
	}
	if f.n != 0 || f.oldest != nil || f.newest != nil {
		t.Errorf("%+v", &f)
	}
}

// TestManyMethods: names that clients make up have one series together, once there are too many.
func TestManyMethods(t *testing.T) {
	s := newServer(t, ours, nil, grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return nil }))
	for n := range maxKept + 50 {
		_ = get(t.Context(), s.ClientConn, fmt.Sprintf("/made.Up/M%d", n)) // the answer lacks a message
	}
	s.finish()
	var total, others uint64
	for _, p := range s.metrics(t)["rpc.server.call.duration"].Data.(metricdata.Histogram[float64]).DataPoints {
		total += p.Count
		if name, _ := p.Attributes.Value("rpc.method"); name.AsString() == other {
			others += p.Count
		}
	}
	if total != maxKept+50 || others != 50 {
		t.Errorf("%d calls, %d of them are %s", total, others, other)
	}
}

// TestLongMethod: a client's name of a method does not fill the memory.
func TestLongMethod(t *testing.T) {
	s := newServer(t, ours, nil, grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return nil }))
	for n := range 3 {
		_ = get(t.Context(), s.ClientConn, fmt.Sprintf("/made.Up/%d%s", n, strings.Repeat("m", 2000)))
	}
	s.finish()
	points := s.metrics(t)["rpc.server.call.duration"].Data.(metricdata.Histogram[float64]).DataPoints
	if len(points) != 1 || points[0].Count != 3 {
		t.Fatalf("%d series", len(points))
	}
	if name, _ := points[0].Attributes.Value("rpc.method"); name.AsString() != other {
		t.Errorf("the method is %.20s", name.AsString())
	}
}

// TestExemplars: the duration knows the trace of its call.
func TestExemplars(t *testing.T) {
	var span trace.SpanContext
	s := newServer(t, ours, func(ctx context.Context) error { span = trace.SpanContextFromContext(ctx); return nil })
	if err := get(t.Context(), s.ClientConn, "/orders.Orders/Get"); err != nil {
		t.Fatal(err)
	}
	s.finish()
	id := span.TraceID()
	h := s.metrics(t)["rpc.server.call.duration"].Data.(metricdata.Histogram[float64])
	if e := h.DataPoints[0].Exemplars; len(e) != 1 || !slices.Equal(e[0].TraceID, id[:]) {
		t.Errorf("%+v, want one of trace %s", e, id)
	}
}

// TestErrors: the zero Config works, and an error of the MeterProvider is returned.
func TestErrors(t *testing.T) {
	if _, err := NewServerHandler(Config{}); err != nil {
		t.Error(err)
	}
	if _, err := NewServerHandler(Config{MeterProvider: broken{}}); err == nil {
		t.Error("a broken provider is no error")
	}
}

type broken struct{ noop.MeterProvider }

func (broken) Meter(string, ...metric.MeterOption) metric.Meter { return brokenMeter{} }

type brokenMeter struct{ noop.Meter }

func (brokenMeter) Float64ObservableGauge(string, ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return nil, errors.New("no gauge")
}
