//go:build unix

package grpctelemetry

import (
	"context"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

// BenchmarkServerHandler compares otelgrpc alone and ours: what gRPC calls for a unary call ("handler"),
// and whole calls ("bufconn"). Over bufconn there are also calls without a handler, and calls with one
// that does nothing, because gRPC copies the metadata and makes the events for any handler. They take
// turns in rounds, so that another load on the machine hits all. One iteration is a round of 10,000
// calls of each, in which garbage is collected several times. Times are the process's CPU time; of the rounds it takes the 20th percentile.
// "part" is what ours adds to a bare call, by what otelgrpc adds, and "floor" is what gRPC adds for a
// handler that does nothing:
//
//	go test ./telemetry/grpctelemetry -run '^$' -bench ServerHandler -benchtime 15x
func BenchmarkServerHandler(b *testing.B) {
	for _, s := range []struct {
		name string
		trace.Sampler
	}{{"always_on", trace.AlwaysSample()}, {"ratio_0.1", trace.TraceIDRatioBased(.1)}, {"always_off", trace.NeverSample()}} {
		fresh := func() setup {
			return setup{
				metric.NewMeterProvider(metric.WithReader(metric.NewManualReader())),
				trace.NewTracerProvider(trace.WithSampler(s), trace.WithBatcher(tracetest.NewNoopExporter())),
				propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
			}
		}
		b.Run("handler/"+s.name, func(b *testing.B) {
			all := []*contender{{name: "otelgrpc", call: direct(theirs(fresh()))}, {name: "ours", call: direct(ours(fresh()))}}
			takeTurns(b, all)
			b.ReportMetric(low(all[1].cpu)/low(all[0].cpu), "ours/otelgrpc")
		})
		b.Run("bufconn/"+s.name, func(b *testing.B) {
			all := []*contender{
				{name: "bare", call: over(b, nil)}, {name: "nothing", call: over(b, idle{})},
				{name: "otelgrpc", call: over(b, theirs(fresh()))}, {name: "ours", call: over(b, ours(fresh()))},
			}
			takeTurns(b, all)
			part := func(c *contender) float64 {
				return (low(c.cpu) - low(all[0].cpu)) / (low(all[2].cpu) - low(all[0].cpu))
			}
			b.ReportMetric(part(all[1]), "floor")
			b.ReportMetric(part(all[3]), "part")
		})
	}
}

func takeTurns(b *testing.B, all []*contender) {
	for n := range b.N {
		for m := range all {
			all[(n+m)%len(all)].round()
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		b.ReportMetric(low(c.cpu), c.name+"-ns")
		b.ReportMetric(low(c.allocs), c.name+"-allocs")
	}
}

// over makes calls of a server with a handler.
func over(b *testing.B, h stats.Handler) func() {
	conn, _ := serve(b, h, func(context.Context) error { return nil })
	return func() {
		if err := get(b.Context(), conn, "/orders.Orders/Get"); err != nil {
			b.Fatal(err)
		}
	}
}

// direct calls a handler as gRPC does for a unary call.
func direct(h stats.Handler) func() {
	at := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 8443}
	conn := metadata.NewIncomingContext(h.TagConn(context.Background(), &stats.ConnTagInfo{LocalAddr: at}), metadata.MD{
		":authority": {"orders:8443"}, "content-type": {"application/grpc"}, "user-agent": {"grpc-go/1.85.0"},
	})
	tag, header := &stats.RPCTagInfo{FullMethodName: "/orders.Orders/Get"}, &stats.InHeader{LocalAddr: at}
	return func() {
		ctx, start := h.TagRPC(conn, tag), time.Now()
		for _, s := range []stats.RPCStats{header, &stats.Begin{BeginTime: start}, &stats.InPayload{}, &stats.OutHeader{}, &stats.OutPayload{}, &stats.OutTrailer{}} {
			h.HandleRPC(ctx, s)
		}
		h.HandleRPC(ctx, &stats.End{BeginTime: start, EndTime: time.Now()})
	}
}

// idle is a handler that does nothing.
type idle struct{}

func (idle) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (idle) HandleRPC(context.Context, stats.RPCStats)                         {}
func (idle) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (idle) HandleConn(context.Context, stats.ConnStats)                       {}

const callsPerRound = 10_000

type contender struct {
	name        string
	call        func()
	cpu, allocs []float64 // for a call, by round
}

func (c *contender) round() {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := cpuTime()
	for range callsPerRound {
		c.call()
	}
	c.cpu = append(c.cpu, float64(cpuTime()-start)/callsPerRound)
	runtime.ReadMemStats(&after)
	c.allocs = append(c.allocs, float64(after.Mallocs-before.Mallocs)/callsPerRound)
}

// cpuTime is the process's, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// low is the 20th percentile.
func low(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/5]
}
