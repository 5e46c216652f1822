package healthcheck

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// BenchmarkRecord is what a request pays to measure itself, without a Monitor and
// with one that judges the very histogram: compare the two with benchstat. Both
// providers have one cumulative reader and the same buckets.
func BenchmarkRecord(b *testing.B) {
	const name = "http.server.request.duration"
	checks := []Check{
		{Name: "latency", Limit: Quantile(name, .99, 30*time.Second).AtMost(.3)},
		{Name: "slow", Role: Core, Limit: Over(name, .5, 30*time.Second).AtMost(.1)},
		{Name: "errors", Limit: Ratio(
			Increase(name, 30*time.Second).Where("http.response.status_code", "500"), Increase(name, 30*time.Second)).AtMost(.05)},
		{Name: "database", Role: Core, Interval: time.Second, Func: ok},
	}
	for _, variant := range []string{"without", "with"} {
		b.Run(variant, func(b *testing.B) {
			k := newKit(b, checks...)
			requests, err := k.provider.Meter("test").Float64Histogram(name, metric.WithUnit("s"))
			if err != nil {
				b.Fatal(err)
			}
			if variant == "with" {
				k.start()
			}
			ctx := context.Background()
			attrs := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String("http.request.method", "GET"), attribute.String("http.route", "/jobs/{id}"),
				attribute.Int("http.response.status_code", 200), attribute.String("url.scheme", "http")))}
			b.ReportAllocs()
			for b.Loop() {
				requests.Record(ctx, .042, attrs...)
			}
		})
	}
}
