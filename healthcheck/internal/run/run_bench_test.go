package run

import (
	"context"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// BenchmarkRun is one run of a check, with and without the SDK's tracer.
func BenchmarkRun(b *testing.B) {
	for name, tp := range map[string]trace.TracerProvider{"noop": noop.NewTracerProvider(), "sdk": sdktrace.NewTracerProvider()} {
		for result, err := range map[string]error{"works": nil, "fails": errDown} {
			b.Run(name+"/"+result, func(b *testing.B) {
				f := Func{Name: "a", Interval: time.Hour, Timeout: time.Minute, FailureThreshold: 1, SuccessThreshold: 1,
					Run: func(context.Context) error { return err }}
				r := New(f, 0, tp.Tracer("t"), func(context.Context, string, *Outcome) {}, func() {})
				b.ReportAllocs()
				for b.Loop() {
					r.run(context.Background())
				}
			})
		}
	}
}
