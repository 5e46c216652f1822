package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// bridge makes OpenTelemetry log records of what is logged, beside the handler
// that is there.
func bridge(local slog.Handler, provider log.LoggerProvider) *slog.Logger {
	return slog.New(slog.NewMultiHandler(local, otelslog.NewHandler(scopeName, otelslog.WithLoggerProvider(provider))))
}

// eventNames makes an event of a record that has the attribute event.name, which
// slog has no other place for.
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

// complaints logs OpenTelemetry's own errors: the same one once a minute, with
// how often it came. They never go to the exporters that may be their cause.
type complaints struct {
	log *slog.Logger
	mu  sync.Mutex
	say map[string]*complaint
}

type complaint struct {
	at    time.Time
	count int
}

const (
	complaintPeriod = time.Minute
	maxComplaints   = 64 // different ones kept
)

func (c *complaints) Handle(err error) {
	text := err.Error()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	s := c.say[text]
	if s == nil {
		if len(c.say) >= maxComplaints {
			clear(c.say)
		}
		s = &complaint{}
		c.say[text] = s
	}
	s.count++
	if !s.at.IsZero() && now.Sub(s.at) < complaintPeriod {
		return
	}
	c.log.Warn("OpenTelemetry: "+text, "times", s.count)
	s.at, s.count = now, 0
}
