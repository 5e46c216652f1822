package healthcheck_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

var ctx = context.Background()

// judged starts a Monitor with one rule on a provider of its own, lets record
// record, and prints the judgement. A service waits for the next one, a second at
// most; this asks for it.
func judged(rule healthcheck.Limit, record func(metric.Meter)) {
	reader := sdkmetric.NewManualReader()
	health := &healthcheck.Monitor{Checks: []healthcheck.Check{{Name: "rule", Limit: rule}}, Logger: slog.New(slog.DiscardHandler)}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))
	health.MeterProvider = provider
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	record(provider.Meter("orders"))
	r := health.Evaluate(ctx).Checks[0]
	fmt.Println(strings.TrimSpace(string(r.State) + " " + r.Output))
}

// requests records ok fast requests and slow ones, as otelhttp does.
func requests(m metric.Meter, fast, slow int) {
	latency, _ := m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
	for range fast {
		latency.Record(ctx, .1, metric.WithAttributes(attribute.Int("http.response.status_code", 200)))
	}
	for range slow {
		latency.Record(ctx, .8, metric.WithAttributes(attribute.Int("http.response.status_code", 500)))
	}
}

// The 99th percentile of a window, by counting: more than 1 % of the requests took
// longer than half a second.
func ExampleQuantile() {
	rule := healthcheck.Quantile("http.server.request.duration", .99, 30*time.Second).AtMost(.5)
	judged(rule, func(m metric.Meter) { requests(m, 99, 1) })
	judged(rule, func(m metric.Meter) { requests(m, 98, 2) })
	judged(rule, func(m metric.Meter) { requests(m, 0, 9) }) // fewer than ten prove nothing
	// Output:
	// pass
	// fail p99 0.875 s of at most 0.5
	// pass
}

// The share of requests that took longer than half a second: warn above 1 %, fail
// above 5 %.
func ExampleOver() {
	rule := healthcheck.Over("http.server.request.duration", .5, 30*time.Second).WarnAbove(.01).AtMost(.05)
	judged(rule, func(m metric.Meter) { requests(m, 98, 2) })
	judged(rule, func(m metric.Meter) { requests(m, 90, 10) })
	// Output:
	// warn 2 %, warns above 1 %
	// fail 10 % of at most 5 %
}

// No more than three restarts of a connection in a minute.
func ExampleIncrease() {
	judged(healthcheck.Increase("reconnects", time.Minute).AtMost(3), func(m metric.Meter) {
		reconnects, _ := m.Int64Counter("reconnects", metric.WithUnit("{reconnect}"))
		reconnects.Add(ctx, 5)
	})
	// Output:
	// fail 5 of at most 3
}

// The share of requests that were answered with 500 to 599, once there are 50 of
// them, whatever their number is: Where and WhereNot compare text.
func ExampleRatio() {
	all := healthcheck.Increase("http.server.request.duration", 30*time.Second)
	failed := all.Where("http.response.status_code", "500", "502", "503", "504")
	rule := healthcheck.Ratio(failed, all).MinCount(50).AtMost(.05)
	judged(rule, func(m metric.Meter) { requests(m, 90, 10) })
	judged(rule, func(m metric.Meter) { requests(m, 30, 10) })
	// Output:
	// fail 10 % of at most 5 %
	// pass
}

// The current value of a gauge. Each queue is judged by itself, and the worst one
// is named.
func ExampleLast() {
	rule := healthcheck.Last("queue.length").Per("queue.name").WhereNot("queue.name", "archive").WarnAbove(50).AtMost(80)
	judged(rule, func(m metric.Meter) {
		length, _ := m.Int64Gauge("queue.length", metric.WithUnit("{item}"))
		for name, n := range map[string]int64{"mail": 10, "orders": 95, "archive": 5000} {
			length.Record(ctx, n, metric.WithAttributes(attribute.String("queue.name", name)))
		}
	})
	// Output:
	// fail 95 of at most 80 (queue.name=orders)
}

// A pool that must keep a spare connection, with a warning before that.
func ExampleIndicator_AtLeast() {
	rule := healthcheck.Last("pool.idle").AtLeast(1).WarnBelow(5)
	for _, idle := range []int64{9, 3, 0} {
		judged(rule, func(m metric.Meter) {
			pool, _ := m.Int64Gauge("pool.idle", metric.WithUnit("{connection}"))
			pool.Record(ctx, idle)
		})
	}
	// Output:
	// pass
	// warn 3, warns below 5
	// fail 0 of at least 1
}

// As Indicator.AtLeast; which limit is given first does not matter.
func ExampleLimit_AtLeast() {
	judged(healthcheck.Last("pool.idle").WarnBelow(5).AtLeast(1), func(m metric.Meter) {
		pool, _ := m.Int64Gauge("pool.idle", metric.WithUnit("{connection}"))
		pool.Record(ctx, 0)
	})
	// Output:
	// fail 0 of at least 1
}

// How long ago something succeeded, from a gauge with the time of it.
func ExampleAge() {
	judged(healthcheck.Age("backup.last_success.timestamp").AtMost(26*60*60), func(m metric.Meter) {
		last, _ := m.Float64Gauge("backup.last_success.timestamp", metric.WithUnit("s"))
		last.Record(ctx, float64(time.Now().Add(-time.Hour).Unix()))
	})
	// Output:
	// pass
}
