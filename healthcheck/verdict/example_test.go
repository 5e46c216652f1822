package verdict_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A new check runs in shadow: it does not change /ready, and the verdict shows how it would.
func ExampleEffect_InShadow() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))

	ask := func(context.Context) error { return errors.New("connection refused") }
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{
		{Name: "search", Func: ask, FailureThreshold: 1, OnFail: healthcheck.NotReady.InShadow()},
	}})
	if err := health.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(ctx) {
		if v.Shadow != nil && v.Shadow.Readiness.State == verdict.Fail {
			fmt.Println("readiness:", v.Readiness.State)
			fmt.Println("it would be:", v.Shadow.Readiness.State)
			return
		}
	}
	// Output:
	// readiness: pass
	// it would be: fail
}
