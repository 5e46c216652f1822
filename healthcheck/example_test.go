package healthcheck_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// A service with its own provider: any cumulative reader will do.
func Example() {
	health := &healthcheck.Monitor{Checks: []healthcheck.Check{
		{Name: "queue", Role: healthcheck.Core, Limit: healthcheck.Last("queue.length").AtMost(80).WarnAbove(50)},
	}}
	reader := sdkmetric.NewManualReader()
	health.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))

	jobs := make(chan int, 100)
	if _, err := healthcheck.NewQueue(health.MeterProvider, "jobs", cap(jobs), func() int { return len(jobs) }); err != nil {
		fmt.Println(err)
		return
	}
	if err := health.Start(context.Background(), reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()

	mux := http.NewServeMux()
	health.Register(mux)
	ask := func() {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/ready", nil))
		fmt.Printf("%d %q\n", w.Code, health.Verdict().Output(healthcheck.Readiness))
	}
	ask()
	for range 95 {
		jobs <- 1
	}
	health.Evaluate(context.Background()) // instead of waiting a second
	ask()
	// Output:
	// 200 ""
	// 503 "queue: 95 of at most 80"
}

func ExampleMonitor_Start() {
	health := &healthcheck.Monitor{Checks: []healthcheck.Check{
		{Name: "database", Role: healthcheck.Core, Interval: -time.Second, Func: func(context.Context) error { return nil }},
		{Name: "database"},
	}}
	fmt.Println(health.Start(context.Background(), sdkmetric.NewManualReader()))
	// Output:
	// healthcheck: Checks[0].Interval ("database"): -1s is negative
	// Checks[1].Name ("database"): is used twice
	// Checks[1].Func ("database"): a check needs a Func or a Limit
}

// The text of an error stays out of the response; its class is shown.
func ExampleCheck() {
	health := &healthcheck.Monitor{Checks: []healthcheck.Check{{
		Name: "database", Role: healthcheck.Core, ComponentType: "datastore",
		Func: func(ctx context.Context) error {
			return fmt.Errorf("dial postgres://user:secret@db: %w", context.DeadlineExceeded)
		},
	}}}
	reader := sdkmetric.NewManualReader()
	health.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))
	if err := health.Start(context.Background(), reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for health.Verdict().Checks[0].State == healthcheck.Unknown {
		health.Evaluate(context.Background())
	}
	fmt.Println(health.Verdict().Output(healthcheck.Readiness))
	fmt.Println(errors.Is(health.Verdict().Checks[0].Err, context.DeadlineExceeded))
	// Output:
	// database: 1 failure in a row, the last: timeout
	// true
}
