package rule_test

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
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var ctx = context.Background()

// judged starts a Monitor with one rule on its own provider, calls record, and prints the judgement
// of the recorded values. That takes a second or two.
func judged(r rule.Rule, record func(metric.Meter)) {
	r.Name = "rule"
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{r}})
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))
	if err := health.StartWith(ctx, healthcheck.Pipeline{Reader: reader, MeterProvider: provider, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	record(provider.Meter("orders"))
	result := later(health).Results[0]
	fmt.Println(strings.TrimSpace(string(result.State) + " " + result.Reason))
}

// later returns a verdict on all values recorded so far, because a new rule makes all rules read at
// once.
func later(health *healthcheck.Monitor) *verdict.Verdict {
	if remove, err := health.AddRule(rule.Rule{Name: "now", Value: rule.Increase("health.probe.requests"), Fail: rule.Above(1e9)}); err == nil {
		remove()
	}
	return health.Verdict()
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

// The 99th percentile of a window is judged by counting: more than 1 % of the requests took longer
// than half a second.
func ExampleQuantile() {
	latency := rule.Rule{Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)}
	judged(latency, func(m metric.Meter) { requests(m, 99, 1) })
	judged(latency, func(m metric.Meter) { requests(m, 98, 2) })
	judged(latency, func(m metric.Meter) { requests(m, 0, 9) }) // fewer than ten prove nothing
	// Output:
	// pass
	// fail p99 between 0.75 and 1 s of at most 0.5
	// pass too few events: 9 of 10
}

// The share of requests that took longer than half a second: warn above 1 %, fail
// above 5 %.
func ExampleShareAbove() {
	slow := rule.Rule{Value: rule.ShareAbove(500*time.Millisecond, "http.server.request.duration"), Warn: rule.Above(.01), Fail: rule.Above(.05)}
	judged(slow, func(m metric.Meter) { requests(m, 98, 2) })
	judged(slow, func(m metric.Meter) { requests(m, 90, 10) })
	// Output:
	// warn 2 %, warns above 1 %
	// fail 10 % of at most 5 %
}

// No more than three restarts of a connection in a minute.
func ExampleIncrease() {
	judged(rule.Rule{Value: rule.Increase("reconnects"), Window: time.Minute, Fail: rule.Above(3)}, func(m metric.Meter) {
		reconnects, _ := m.Int64Counter("reconnects", metric.WithUnit("{reconnect}"))
		reconnects.Add(ctx, 5)
	})
	// Output:
	// fail 5 of at most 3
}

// The share of requests with an answer of 500 to 599, if there are at least 50 requests. Where and
// WhereNot compare text.
func ExampleRatio() {
	all := rule.Increase("http.server.request.duration")
	failed := all.Where("http.response.status_code", "500", "502", "503", "504")
	errors := rule.Rule{Value: rule.Ratio(failed, all), MinEvents: 50, Fail: rule.Above(.05)}
	judged(errors, func(m metric.Meter) { requests(m, 90, 10) })
	judged(errors, func(m metric.Meter) { requests(m, 30, 10) })
	// Output:
	// fail 10 % of at most 5 %
	// pass too few events: 40 of 50
}

// The current value of a gauge. Each queue is judged by itself, and the reason names the worst one.
func ExampleLast() {
	queues := rule.Rule{
		Value: rule.Last("queue.length").WhereNot("queue.name", "archive"),
		Per:   []string{"queue.name"},
		Warn:  rule.Above(50),
		Fail:  rule.Above(80),
	}
	judged(queues, func(m metric.Meter) {
		length, _ := m.Int64Gauge("queue.length", metric.WithUnit("{item}"))
		for name, n := range map[string]int64{"mail": 10, "orders": 95, "archive": 5000} {
			length.Record(ctx, n, metric.WithAttributes(attribute.String("queue.name", name)))
		}
	})
	// Output:
	// fail 95 of at most 80 (queue.name=orders)
}

// A pool must keep a spare connection. The rule warns before it has none.
func ExampleBelow() {
	idle := rule.Rule{Value: rule.Last("pool.idle"), Warn: rule.Below(5), Fail: rule.Below(1)}
	for _, n := range []int64{9, 3, 0} {
		judged(idle, func(m metric.Meter) {
			pool, _ := m.Int64Gauge("pool.idle", metric.WithUnit("{connection}"))
			pool.Record(ctx, n)
		})
	}
	// Output:
	// pass
	// warn 3, warns below 5
	// fail 0 of at least 1
}

// The time since the last success, from a gauge that holds the time of that success.
func ExampleTimeSince() {
	judged(rule.Rule{Value: rule.TimeSince("backup.last_success.timestamp"), Fail: rule.Above(26 * time.Hour)}, func(m metric.Meter) {
		last, _ := m.Float64Gauge("backup.last_success.timestamp", metric.WithUnit("s"))
		last.Record(ctx, float64(time.Now().Add(-time.Hour).Unix()))
	})
	// Output:
	// pass
}

// A limit fails, and a lower one warns. A value equal to a limit is within it.
func ExampleAbove() {
	queue := rule.Rule{Value: rule.Last("queue.length"), Warn: rule.Above(50), Fail: rule.Above(80)}
	for _, n := range []int64{50, 80, 81} {
		judged(queue, func(m metric.Meter) {
			length, _ := m.Int64Gauge("queue.length", metric.WithUnit("{item}"))
			length.Record(ctx, n)
		})
	}
	// Output:
	// pass
	// warn 80, warns above 50
	// fail 81 of at most 80
}

// Several series of a gauge: the sum, the greatest and the least. Each is one value for the limits.
func ExampleIndicator_Max() {
	used := rule.Last("pool.used")
	for _, v := range []rule.Indicator{used.Sum(), used.Max(), used.Min()} {
		judged(rule.Rule{Value: v, Fail: rule.Above(4)}, func(m metric.Meter) {
			pools, _ := m.Int64Gauge("pool.used", metric.WithUnit("{connection}"))
			for name, n := range map[string]int64{"read": 3, "write": 5} {
				pools.Record(ctx, n, metric.WithAttributes(attribute.String("pool.name", name)))
			}
		})
	}
	// Output:
	// fail 8 of at most 4
	// fail 5 of at most 4
	// pass
}

// Two libraries may use one name. The name of the meter chooses one of them.
func ExampleIndicator_Scope() {
	for _, scope := range []string{"orders", "payments"} {
		judged(rule.Rule{Value: rule.Last("pool.used").Scope(scope), Fail: rule.Above(4)}, func(m metric.Meter) {
			used, _ := m.Int64Gauge("pool.used", metric.WithUnit("{connection}"))
			used.Record(ctx, 5)
		})
	}
	// Output:
	// fail 5 of at most 4
	// pass
}

// The time until a certificate expires, from a gauge that holds the time of its end.
func ExampleTimeUntil() {
	judged(rule.Rule{Value: rule.TimeUntil("certificate.end.timestamp"), Fail: rule.Below(14 * 24 * time.Hour)}, func(m metric.Meter) {
		end, _ := m.Int64Gauge("certificate.end.timestamp", metric.WithUnit("s"))
		end.Record(ctx, time.Now().Add(30*24*time.Hour).Unix())
	})
	// Output:
	// pass
}
