package healthcheck_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A database: while it does not answer, the service gets no traffic.
func Example() {
	ping := func(context.Context) error { return nil } // db.PingContext
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: ping}}})
	if err := health.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "orders") })
	handler := health.Wrap(mux)
	for range health.Watch(context.Background()) { // until the first run of the check is over
		if health.Verdict().Readiness.State == verdict.Pass {
			break
		}
	}
	for _, path := range []string{"/ready", "/"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code)
	}
	// Output:
	// /ready 200
	// / 200
}

// Start returns all mistakes at once, and cfgerrors.All lists them.
func ExampleMonitor_Start() {
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{
		{Name: "database", Interval: -time.Second, Func: func(context.Context) error { return nil }},
		{Name: "database"},
	}})
	err := health.Start(context.Background())
	fmt.Println(err)
	for mistake := range cfgerrors.All(err) {
		fmt.Println(mistake.Item, mistake.Field)
	}
	// Output:
	// healthcheck: database: Interval: -1s is negative
	// database: Name: "database" is used twice
	// database: Func: is nil
	// database Interval
	// database Name
	// database Func
}

// The response has the class of an error, not its text.
func ExampleCheck() {
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{
		Name: "database",
		Func: func(context.Context) error {
			return fmt.Errorf("dial postgres://user:secret@db: %w", context.DeadlineExceeded)
		},
	}}})
	if err := health.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(context.Background()) {
		if v.Results[0].State != verdict.Unknown {
			fmt.Println(v.Readiness.Reason)
			fmt.Println(errors.Is(v.Results[0].Err, context.DeadlineExceeded))
			break
		}
	}
	// Output:
	// database: 1 failure in a row, the last: timeout
	// true
}
