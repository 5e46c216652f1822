package grpctelemetry

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// tenant is a propagator, a sampler and a span processor that read the metadata by gRPC's function, and
// the handler's work.
type tenant struct {
	rude
	seen map[string]string
}

func (p tenant) look(place string, ctx context.Context) {
	md, _ := metadata.FromIncomingContext(ctx)
	p.seen[place] = strings.Join(md.Get("X-Tenant"), " ")
}

func (p tenant) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	p.look("propagator", ctx)
	keys := c.Keys()
	c.Set("x-tenant", "changed")
	p.seen["carrier"] = c.Get("X-Tenant") + c.Get("x-none") + fmt.Sprint(" ", slices.Contains(keys, "x-tenant"), " ", slices.Contains(keys, ":authority"))
	return ctx
}

func (p tenant) ShouldSample(s trace.SamplingParameters) trace.SamplingResult {
	p.look("sampler", s.ParentContext)
	return trace.AlwaysSample().ShouldSample(s)
}
func (p tenant) OnStart(ctx context.Context, _ trace.ReadWriteSpan) { p.look("processor", ctx) }

// TestMetadataIsSeen: we hide the metadata only from otelgrpc, because it would copy all of it.
func TestMetadataIsSeen(t *testing.T) {
	if incomingKey == nil {
		t.Error("the key of gRPC's metadata is not known")
	}
	p := tenant{seen: map[string]string{}}
	s := newServer(t, func(s setup) stats.Handler {
		return ours(setup{s.meters, trace.NewTracerProvider(trace.WithSampler(p), trace.WithSpanProcessor(p)), p})
	}, func(ctx context.Context) error { p.look("handler", ctx); return nil })
	if err := get(metadata.AppendToOutgoingContext(t.Context(), "X-Tenant", "blue", "x-tenant", "green"), s.ClientConn, "/orders.Orders/Get"); err != nil {
		t.Fatal(err)
	}
	s.finish()
	want := map[string]string{"propagator": "blue green", "carrier": "blue true true", "sampler": "blue green", "processor": "blue green", "handler": "blue green"}
	if !maps.Equal(p.seen, want) {
		t.Errorf("seen: %v", p.seen)
	}
}

// TestMetadataIsNotCopied: otelgrpc finds no metadata, whose copy is a fifth of its allocations.
func TestMetadataIsNotCopied(t *testing.T) {
	h := ours(setup{metric.NewMeterProvider(), trace.NewTracerProvider(trace.WithSampler(trace.NeverSample())), propagation.TraceContext{}}).(*handler)
	few, many := metadata.MD{}, metadata.MD{}
	for n := range 50 {
		many.Set(fmt.Sprint("x-", n), "value")
	}
	count := func(md metadata.MD) float64 {
		ctx := metadata.NewIncomingContext(t.Context(), md)
		return testing.AllocsPerRun(100, func() { h.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: "/orders.Orders/Get"}) })
	}
	if a, b := count(few), count(many); b > a+1 {
		t.Errorf("%v allocations without metadata, %v with 50 keys", a, b)
	}
}

// TestBehindNetHTTP: the spans of a server behind net/http have otelgrpc's attributes too.
func TestBehindNetHTTP(t *testing.T) {
	spans := func(h func(setup) stats.Handler) string {
		recorder := tracetest.NewSpanRecorder()
		srv := grpc.NewServer(
			grpc.StatsHandler(h(setup{metric.NewMeterProvider(), trace.NewTracerProvider(trace.WithSpanProcessor(recorder)), propagation.TraceContext{}})),
			grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error { return s.SendMsg(&emptypb.Empty{}) }))
		web := httptest.NewUnstartedServer(srv)
		web.EnableHTTP2 = true
		web.StartTLS()
		defer web.Close()
		roots := x509.NewCertPool()
		roots.AddCert(web.Certificate())
		conn, err := grpc.NewClient(web.Listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "example.com")))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := get(t.Context(), conn, "/orders.Orders/Get"); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		srv.Stop()
		web.Close()
		var all []string
		for _, s := range recorder.Ended() {
			for _, kv := range sorted(s.Attributes()) {
				all = append(all, ports.ReplaceAllString(kv, "some"))
			}
		}
		return strings.Join(all, " ")
	}
	got, want := spans(ours), spans(theirs)
	if got != want || !strings.Contains(want, "server.port") {
		t.Errorf("ours: %s\notelgrpc: %s", got, want)
	}
}

var ports = regexp.MustCompile(`\d{4,5}`)

// TestAddresses: an address of any kind becomes the attributes that otelgrpc makes of it. Without an address the span
// ends too.
func TestAddresses(t *testing.T) {
	for _, address := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 8443}, &net.TCPAddr{IP: net.IPv6loopback, Port: 1}, &net.TCPAddr{},
		&net.UnixAddr{Name: "/run/orders.sock"}, &net.UnixAddr{}, named("orders:http"), named("a:b:c"), nil,
	} {
		spans := func(h func(setup) stats.Handler) string {
			recorder := tracetest.NewSpanRecorder()
			x := h(setup{metric.NewMeterProvider(), trace.NewTracerProvider(trace.WithSpanProcessor(recorder)), propagation.TraceContext{}})
			conn := x.TagConn(t.Context(), &stats.ConnTagInfo{LocalAddr: address})
			header, begin, end := &stats.InHeader{LocalAddr: address}, &stats.Begin{}, &stats.End{Error: status.Error(codes.NotFound, "x")}
			for _, events := range [][]stats.RPCStats{{header, begin, end}, {header, begin, &stats.End{}}} {
				play(x, conn, events...)
				play(x, t.Context(), events...) // no connection was announced
			}
			play(x, t.Context(), begin, end)
			var all []string
			for _, s := range recorder.Ended() {
				all = append(all, fmt.Sprint(sorted(s.Attributes())))
			}
			return fmt.Sprint(len(all), all)
		}
		if got, want := spans(ours), spans(theirs); got != want {
			t.Errorf("%v: %s, otelgrpc: %s", address, got, want)
		}
	}
}

// TestAddressThatPanics: if the address of a user's listener panics, only the address is missing.
func TestAddressThatPanics(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	h := ours(setup{metric.NewMeterProvider(), trace.NewTracerProvider(trace.WithSpanProcessor(recorder)), propagation.TraceContext{}})
	play(h, h.TagConn(t.Context(), &stats.ConnTagInfo{LocalAddr: rudeAddress{}}), &stats.InHeader{LocalAddr: rudeAddress{}}, &stats.Begin{}, &stats.End{})
	if n := len(recorder.Ended()); n != 1 {
		t.Errorf("%d spans", n)
	}
}

type rudeAddress struct{ net.Addr }

func (rudeAddress) String() string { panic("hunter2") }

func play(h stats.Handler, ctx context.Context, events ...stats.RPCStats) {
	ctx = h.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: "/orders.Orders/Get"})
	for _, s := range events {
		h.HandleRPC(ctx, s)
	}
}

type named string

func (named) Network() string  { return "some" }
func (n named) String() string { return string(n) }
