package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// abandon ends everything that a failed Start has begun.
func (t *Telemetry) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = t.Shutdown(ctx) // Start returns the first error
}

// closeLimit is how long Close waits for the last export.
const closeLimit = 3 * time.Second

// Close is Shutdown within 3 s. A log handler that is stuck may take another second. If data could not be
// exported, Close logs that. Its error also says how many of the package's log lines the handler of
// Config.Logger has not written.
func (t *Telemetry) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	err := t.Shutdown(ctx)
	if err != nil {
		t.lines.Write(context.Background(), slog.LevelWarn, "the last telemetry was not exported", slog.String("error", guard.Text(err)))
	}
	t.faults.end(ctx)
	if lost := t.lines.End(); lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d log lines were not written, because the log handler was too slow or failed", lost))
	}
	return err
}

// Shutdown stops Config.Health, exports the remaining data and ends the pipeline within ctx.
// Metrics, traces and logs end concurrently under one deadline. It holds even if a callback hangs. Later
// calls, also of Close, only wait until the first has ended.
func (t *Telemetry) Shutdown(ctx context.Context) (err error) {
	t.ending.Do(func() { err = t.shutdown(ctx) })
	return err
}

func (t *Telemetry) shutdown(ctx context.Context) error {
	var errs []error
	if t.health != nil { // before the others, which export its last verdict
		errs = append(errs, together(ctx, func(context.Context) error { t.health.Stop(); return nil }))
	}
	var ends []func(context.Context) error
	if t.traces != nil {
		ends = append(ends, t.traces.Shutdown)
	}
	if t.metrics != nil {
		ends = append(ends, t.metrics.Shutdown)
	} else if t.Reader != nil { // a failed Start has no provider, but its export may have begun
		ends = append(ends, t.Reader.Shutdown)
	}
	if t.logs != nil {
		ends = append(ends, t.logs.Shutdown)
	}
	errs = append(errs, together(ctx, ends...))
	if failed := new(guard.Site).Run(t.entered.leave); failed != nil { // a collector may hold the registry's lock
		errs = append(errs, fmt.Errorf("leaving Config.Registry: %w", failed))
	}
	return errors.Join(errs...)
}

// together calls all ends concurrently, and waits no longer than ctx allows.
func together(ctx context.Context, ends ...func(context.Context) error) error {
	results := make(chan error, len(ends))
	for _, end := range ends {
		go guard.Do(func() error { return end(ctx) }, func(err error) { results <- err })
	}
	var errs []error
	for range ends {
		select {
		case err := <-results:
			errs = append(errs, err)
		case <-ctx.Done():
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	return errors.Join(errs...)
}
