package grpctelemetry

import (
	"context"
	"net"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"
)

// server is a real gRPC server whose one method does what the test says.
type server struct {
	*grpc.ClientConn
	finish func() // waits until all calls have ended
	reader *metric.ManualReader
	spans  *tracetest.SpanRecorder
}

// setup has the providers that a handler gets.
type setup struct {
	meters *metric.MeterProvider
	traces *trace.TracerProvider
	prop   propagation.TextMapPropagator
}

func newServer(t testing.TB, handler func(setup) stats.Handler, do func(context.Context) error, options ...grpc.ServerOption) *server {
	t.Helper()
	s := &server{reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	with := setup{
		metric.NewMeterProvider(metric.WithReader(s.reader)), trace.NewTracerProvider(trace.WithSpanProcessor(s.spans)),
		propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	s.ClientConn, s.finish = serve(t, handler(with), do, options...)
	return s
}

// serve starts a server with the service orders.Orders. It returns a connection to it, and a function
// that ends both after all calls.
func serve(t testing.TB, h stats.Handler, do func(context.Context) error, options ...grpc.ServerOption) (*grpc.ClientConn, func()) {
	t.Helper()
	if h != nil {
		options = append(options, grpc.StatsHandler(h))
	}
	srv, listener := grpc.NewServer(options...), bufconn.Listen(1<<16)
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: "orders.Orders", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			if err := decode(&emptypb.Empty{}); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, do(ctx)
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "List", ServerStreams: true, ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			for range 2 {
				if err := stream.SendMsg(&emptypb.Empty{}); err != nil {
					return err
				}
			}
			return do(stream.Context())
		}}},
	}, nil)
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:orders", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	finish := sync.OnceFunc(func() {
		conn.Close()
		srv.GracefulStop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(finish)
	return conn, finish
}

func get(ctx context.Context, conn *grpc.ClientConn, method string) error {
	return conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
}

// list reads a stream to its end.
func list(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/orders.Orders/List")
	if err != nil {
		return err
	}
	for {
		if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
	}
}

// metrics returns the collected metrics by name.
func (s *server) metrics(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	all := map[string]metricdata.Metrics{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			all[m.Name] = m
		}
	}
	return all
}
