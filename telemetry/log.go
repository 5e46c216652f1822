package telemetry

import (
	"context"
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

// complaints logs the errors of exports, and with Config.SetGlobals all errors of
// OpenTelemetry: the same one once a minute, with how often it came, and no more than a few
// in a minute, with how many more there were. They never go to the exporters that may be
// their cause.
type complaints struct {
	log    *slog.Logger
	mu     sync.Mutex
	say    map[string]*complaint // by text without numbers: ports and counts differ each time
	minute time.Time             // when the current one began
	lines  int                   // in it
	muted  int                   // errors that were not logged and belong to no line to come
}

type complaint struct {
	at    time.Time
	count int
}

const (
	complaintPeriod = time.Minute
	maxLines        = 10 // in a period
	maxComplaints   = 64 // different ones kept
)

func (c *complaints) Handle(err error) {
	text := complaintText(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.minute) >= complaintPeriod {
		c.minute, c.lines = now, 0
	}
	s := c.of(text, now)
	if s == nil {
		c.muted++
		return
	}
	s.count++
	if !s.at.IsZero() && now.Sub(s.at) < complaintPeriod || c.lines >= maxLines {
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

// complaintText is the error's, less what the exporters put before an answer of the
// collector, or of gRPC in its place: three signals have one cause.
func complaintText(err error) string {
	if s := rpcStatus(err); s != nil {
		return "export: " + s.Err().Error()
	}
	return err.Error()
}

// of finds what was said of the like, or makes room for it; nil if there is none.
func (c *complaints) of(text string, now time.Time) *complaint {
	like := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, text)
	if s := c.say[like]; s != nil {
		return s
	}
	if len(c.say) >= maxComplaints {
		maps.DeleteFunc(c.say, func(_ string, s *complaint) bool {
			old := now.Sub(s.at) >= complaintPeriod
			if old {
				c.muted += s.count
			}
			return old
		})
	}
	if len(c.say) >= maxComplaints {
		return nil
	}
	s := &complaint{}
	c.say[like] = s
	return s
}
