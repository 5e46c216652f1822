package healthcheck_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

var ctx = context.Background()

// later returns a verdict on all values recorded so far, because a new rule makes all rules read at
// once.
func later(health *healthcheck.Monitor) *verdict.Verdict {
	if remove, err := health.AddRule(rule.Rule{Name: "now", Value: rule.Increase("health.probe.requests"), Fail: rule.Above(1e9)}); err == nil {
		remove()
	}
	return health.Verdict()
}

// A service with its own MeterProvider: the View makes the limit a bucket boundary.
func ExampleNew() {
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)},
	}})
	reader := sdkmetric.NewManualReader() // or the cumulative reader that you have
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))
	pipeline := healthcheck.Pipeline{Reader: reader, MeterProvider: provider, Logger: slog.New(slog.DiscardHandler)}
	if err := health.StartWith(ctx, pipeline); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()

	w := httptest.NewRecorder()
	health.StartupHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/livez", nil))
	fmt.Println(w.Code, health.Verdict().Readiness.Reason)
	// Output:
	// 200 latency: no instrument named "http.server.request.duration" has been created
}

// A rule is added and removed while the process runs.
func ExampleMonitor_AddRule() {
	health := healthcheck.New(healthcheck.Config{})
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))
	pipeline := healthcheck.Pipeline{Reader: reader, MeterProvider: provider, Logger: slog.New(slog.DiscardHandler)}
	if err := health.StartWith(ctx, pipeline); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()

	health.Queue("mail", 0, func() int { return 95 })
	remove, err := health.AddRule(rule.Rule{Name: "mail", Value: rule.Last("queue.length"), Fail: rule.Above(80)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	for v := range health.Watch(ctx) {
		if len(v.Results) > 0 {
			fmt.Println(v.Results[0].State, v.Results[0].Reason)
			break
		}
	}
	// Output:
	// fail 95 of at most 80
}
