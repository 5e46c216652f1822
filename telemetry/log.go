package telemetry

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// bridgeLogs returns a logger that writes to the local handler, and also makes OpenTelemetry log records.
func bridgeLogs(local slog.Handler, provider log.LoggerProvider, b bounds) *slog.Logger {
	return slog.New(bridged{local, &recorder{logger: provider.Logger(scopeName), bounds: b}})
}

// bridged exports what the local handler writes, and no more. otelslog has no level, so it would export
// debug records that the local level excludes.
type bridged struct{ local, exported slog.Handler }

func (h bridged) Enabled(ctx context.Context, l slog.Level) bool { return h.local.Enabled(ctx, l) }

func (h bridged) Handle(ctx context.Context, r slog.Record) error {
	if !h.local.Enabled(ctx, r.Level) { // a handler around this one need not ask
		return nil
	}
	err := h.local.Handle(ctx, r.Clone())
	if h.exported.Enabled(ctx, r.Level) {
		err = errors.Join(err, h.exported.Handle(ctx, r.Clone()))
	}
	return err
}

func (h bridged) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bridged{h.local.WithAttrs(attrs), h.exported.WithAttrs(attrs)}
}

func (h bridged) WithGroup(name string) slog.Handler {
	return bridged{h.local.WithGroup(name), h.exported.WithGroup(name)}
}

// eventNames turns a record with the attribute event.name into an event, because slog has no other
// place for the name.
type eventNames struct{ sdklog.Processor }

func (p eventNames) OnEmit(ctx context.Context, r *sdklog.Record) error {
	name := ""
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Key == "event.name" {
			name = kv.Value.AsString()
		}
		return true
	})
	if name != "" {
		rest := make([]attribute.KeyValue, 0, r.AttributesLen())
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			if kv.Key != "event.name" {
				rest = append(rest, kv)
			}
			return true
		})
		r.SetEventName(name)
		r.SetAttributes(rest...)
	}
	return p.Processor.OnEmit(ctx, r)
}
