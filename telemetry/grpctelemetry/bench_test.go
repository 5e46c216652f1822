//go:build unix

package grpctelemetry

import (
	"context"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
)

// BenchmarkServerHandler compares unary calls without instrumentation, with otelgrpc alone, and with
// ours. They take turns in short rounds, so that another load on the machine hits all three. One
// iteration is a round of 1000 calls of each. Times are the process's CPU time; of the rounds it
// takes the 20th percentile. "part" is what ours adds to a bare call, by what otelgrpc adds:
//
//	go test ./telemetry/grpctelemetry -run '^$' -bench ServerHandler -benchtime 61x
func BenchmarkServerHandler(b *testing.B) {
	for name, sampler := range map[string]trace.Sampler{"always_on": trace.AlwaysSample(), "ratio_10": trace.TraceIDRatioBased(.1), "always_off": trace.NeverSample()} {
		b.Run(name, func(b *testing.B) {
			fresh := func() setup {
				return setup{
					metric.NewMeterProvider(metric.WithReader(metric.NewManualReader())),
					trace.NewTracerProvider(trace.WithSampler(sampler), trace.WithBatcher(tracetest.NewNoopExporter())),
					propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
				}
			}
			work := func(context.Context) error { return nil }
			var all []*contender
			for _, h := range []func() *grpc.ClientConn{
				func() *grpc.ClientConn { c, _ := serve(b, nil, work); return c },
				func() *grpc.ClientConn { c, _ := serve(b, theirs(fresh()), work); return c },
				func() *grpc.ClientConn { c, _ := serve(b, ours(fresh()), work); return c },
			} {
				all = append(all, &contender{conn: h()})
			}
			for n := range b.N {
				for m := range all {
					all[(n+m)%len(all)].round(b)
				}
			}
			b.ReportMetric(0, "ns/op")
			for n, name := range []string{"bare", "otelgrpc", "ours"} {
				b.ReportMetric(low(all[n].cpu), name+"-ns")
				b.ReportMetric(low(all[n].allocs), name+"-allocs")
			}
			b.ReportMetric((low(all[2].cpu)-low(all[0].cpu))/(low(all[1].cpu)-low(all[0].cpu)), "part")
		})
	}
}

const callsPerRound = 1000

type contender struct {
	conn        *grpc.ClientConn
	cpu, allocs []float64 // for a call, by round
}

func (c *contender) round(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := cpuTime()
	for range callsPerRound {
		if err := get(b.Context(), c.conn, "/orders.Orders/Get"); err != nil {
			b.Fatal(err)
		}
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
