package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// bridgeLogs turns log lines into OpenTelemetry log records too, beside the present handler.
func bridgeLogs(local slog.Handler, provider log.LoggerProvider) *slog.Logger {
	return slog.New(bridged{local, otelslog.NewHandler(scopeName, otelslog.WithLoggerProvider(provider))})
}

// bridged exports what the local handler writes, and no more. otelslog has no level, so debug
// records would leave the process though nobody has asked for them, and cost their arguments.
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
	var rest []attribute.KeyValue
	name := ""
	for kv := range r.WalkAttributes {
		if kv.Key == "event.name" {
			name = kv.Value.AsString()
		} else {
			rest = append(rest, kv)
		}
	}
	if name != "" {
		r.SetEventName(name)
		r.SetAttributes(rest...)
	}
	return p.Processor.OnEmit(ctx, r)
}

// errorLogger logs the errors of exports, and with Config.SetGlobals all errors of OpenTelemetry.
// It logs the same error once a minute, with its number of times, and at most a few errors in a
// minute, with the number of others. It never uses the exporters, because they may be the cause.
type errorLogger struct {
	log    *slog.Logger
	mu     sync.Mutex
	errors map[string]*loggedError // by text without numbers, because ports and counts differ
	minute time.Time               // start of the current minute
	lines  int                     // in this minute
	muted  int                     // errors that no line counts
}

type loggedError struct {
	at    time.Time
	count int
}

const (
	errorPeriod = time.Minute
	maxLines    = 10 // in a period
	maxErrors   = 64 // different errors that are kept
)

func (c *errorLogger) Handle(err error) {
	text := errorText(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.minute) >= errorPeriod {
		c.minute, c.lines = now, 0
	}
	s := c.of(text, now)
	if s == nil {
		c.muted++
		return
	}
	s.count++
	if !s.at.IsZero() && now.Sub(s.at) < errorPeriod || c.lines >= maxLines {
		return
	}
	c.lines++
	attrs := []any{"times", s.count}
	if c.muted > 0 {
		attrs = append(attrs, "others", c.muted)
	}
	c.log.Warn("OpenTelemetry: "+text, attrs...)
	s.at, s.count, c.muted = now, 0, 0
}

// errorText returns the text of an error. If it has a gRPC status, the text is that status alone,
// because the exporters of three signals put different texts around one cause.
func errorText(err error) string {
	if s := rpcStatus(err); s != nil {
		return "export: " + s.Err().Error()
	}
	return err.Error()
}

// of finds the entry of similar errors, or makes one; nil if there is no room.
func (c *errorLogger) of(text string, now time.Time) *loggedError {
	like := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, text)
	if s := c.errors[like]; s != nil {
		return s
	}
	if len(c.errors) >= maxErrors {
		maps.DeleteFunc(c.errors, func(_ string, s *loggedError) bool {
			old := now.Sub(s.at) >= errorPeriod
			if old {
				c.muted += s.count
			}
			return old
		})
	}
	if len(c.errors) >= maxErrors {
		return nil
	}
	s := &loggedError{}
	c.errors[like] = s
	return s
}
