package healthcheck

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// BenchmarkJudge makes one judgement with n active checks and n rules on latency,
// without collecting.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("checks=%d", n), func(b *testing.B) {
			var checks []Check
			for i := range n {
				checks = append(checks,
					Check{Name: fmt.Sprintf("check-%d", i), Role: Core, Func: func(context.Context) error { return nil }},
					Check{Name: fmt.Sprintf("rule-%d", i), Role: Core, Limit: Quantile(fmt.Sprintf("m%d", i), .99, 30*time.Second).AtMost(.5)})
			}
			k := newKit(b, checks...)
			k.Logger = slog.New(slog.DiscardHandler)
			for i := range n {
				h, err := k.provider.Meter("test").Float64Histogram(fmt.Sprintf("m%d", i), metric.WithUnit("s"))
				if err != nil {
					b.Fatal(err)
				}
				h.Record(context.Background(), .1)
			}
			k.start()
			b.ReportAllocs()
			for b.Loop() {
				k.judge()
			}
		})
	}
}

// BenchmarkCollect samples n rules on latency.
func BenchmarkCollect(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			var checks []Check
			for i := range n {
				checks = append(checks, Check{Name: fmt.Sprintf("rule-%d", i), Role: Core, Limit: Quantile("m", .99, 30*time.Second).AtMost(.5)})
			}
			k := newKit(b, checks...)
			h, err := k.provider.Meter("test").Float64Histogram("m", metric.WithUnit("s"))
			if err != nil {
				b.Fatal(err)
			}
			h.Record(context.Background(), .1)
			k.start()
			b.ReportAllocs()
			for b.Loop() {
				if err := k.collector.Collect(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
