package telemetry

import (
	"context"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// usersReader is a reader of Config.Readers, with an exporter of the user. Its flush and shutdown end with
// ctx, and do not delay other readers. Their errors have no text, because it may contain a password.
type usersReader struct{ sdkmetric.Reader }

func (r usersReader) Shutdown(ctx context.Context) error { return r.run(ctx, r.Reader.Shutdown) }

// ForceFlush is what the SDK calls if a reader has it.
func (r usersReader) ForceFlush(ctx context.Context) error {
	if f, ok := r.Reader.(interface{ ForceFlush(context.Context) error }); ok {
		return r.run(ctx, f.ForceFlush)
	}
	return nil
}

func (r usersReader) run(ctx context.Context, f func(context.Context) error) error {
	select {
	case err := <-guard.Start(ctx, f, nil):
		if failed := faultOf(err); failed != nil {
			failed.what = fmt.Sprintf("the Reader %T", r.Reader)
			return failed
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the Reader %T takes too long: %w", r.Reader, ctx.Err())
	}
}
