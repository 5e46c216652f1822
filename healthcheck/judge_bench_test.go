package healthcheck

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

func latencyRule(n int, metric string) rule.Rule {
	return rule.Rule{Name: fmt.Sprintf("rule-%d", n), OnFail: NotReady, Value: rule.Quantile(.99, metric), Fail: rule.Above(500 * time.Millisecond)}
}

// BenchmarkJudge makes one judgement with n checks and n rules on latency, without a collection.
func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("checks=%d", n), func(b *testing.B) {
			var c Config
			for i := range n {
				c.Checks = append(c.Checks, Check{Name: fmt.Sprintf("check-%d", i), Func: ok})
				c.Rules = append(c.Rules, latencyRule(i, fmt.Sprintf("m%d", i)))
			}
			k := newKit(b, c)
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
				k.judgeNow()
			}
		})
	}
}

// BenchmarkCollect samples n rules on latency.
func BenchmarkCollect(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			var c Config
			for i := range n {
				c.Rules = append(c.Rules, latencyRule(i, "m"))
			}
			k := newKit(b, c)
			h, err := k.provider.Meter("test").Float64Histogram("m", metric.WithUnit("s"))
			if err != nil {
				b.Fatal(err)
			}
			h.Record(context.Background(), .1)
			k.start()
			b.ReportAllocs()
			for b.Loop() {
				if err := k.running.collector.Collect(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
