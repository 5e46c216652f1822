package migrating

import (
	"context"
	"net/http"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/telemetry"
)

// Serve is the common start of all examples.
func Serve(ctx context.Context, config healthcheck.Config, app http.Handler) error {
	config.DrainDelay = 10 * time.Second
	monitor := healthcheck.New(config)
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "orders", Health: monitor})
	if err != nil {
		return err
	}
	defer tel.Close()
	return monitor.ListenAndServe(&http.Server{Addr: "localhost:8000", Handler: monitor.Wrap(tel.Instrument(app))})
}
