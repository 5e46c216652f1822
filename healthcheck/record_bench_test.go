package healthcheck

import (
	"context"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// BenchmarkRecord measures the cost of recording a request, without a Monitor and with one that
// judges the same histogram. Compare the two with benchstat. Both providers have one cumulative
// reader and the same buckets.
func BenchmarkRecord(b *testing.B) {
	const name = "http.server.request.duration"
	c := Config{
		Checks: []Check{{Name: "database", Interval: time.Second, Func: ok}},
		Rules: []rule.Rule{
			{Name: "latency", Value: rule.Quantile(.99, name), Fail: rule.Above(300 * time.Millisecond)},
			{Name: "slow", OnFail: NotReady, Value: rule.ShareAbove(500*time.Millisecond, name), Fail: rule.Above(.1)},
			{Name: "errors", Value: rule.Ratio(rule.Increase(name).Where("http.response.status_code", "500"), rule.Increase(name)), Fail: rule.Above(.05)},
		},
	}
	for _, variant := range []string{"without", "with"} {
		b.Run(variant, func(b *testing.B) {
			k := newKit(b, c)
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
