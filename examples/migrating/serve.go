package migrating

import (
	"context"
	"net/http"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/telemetry"
)

// Serve is what all of them begin with.
func Serve(ctx context.Context, checks []healthcheck.Check, app http.Handler) error {
	monitor := &healthcheck.Monitor{Checks: checks}
	tel, err := telemetry.Start(telemetry.Config{ServiceName: "orders", View: monitor.View})
	if err != nil {
		return err
	}
	defer tel.Close()
	mux := http.NewServeMux()
	mux.Handle("/", tel.Handler(app))
	monitor.Register(mux) // /health, /ready, /startup
	if err := monitor.Start(ctx, tel.Reader); err != nil {
		return err
	}
	return monitor.ListenAndServe(&http.Server{Addr: "localhost:8000", Handler: mux}, 10*time.Second)
}
