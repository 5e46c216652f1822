package export

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Log writes the changes of judgements to a logger. A handler may block, on a full pipe or a dead
// disk. The judge must not, so there is a goroutine between them. While the handler blocks, further
// records are counted and dropped, because the metrics have them too. The zero Log drops
// everything.
type Log struct {
	records chan record
	written chan struct{} // closed once everything is written
	lost    atomic.Int64
}

type record struct {
	ctx   context.Context
	level slog.Level
	text  string
	attrs []slog.Attr
}

const maxRecords = 256

// Begin starts the goroutine that writes.
func (l *Log) Begin(to *slog.Logger) {
	l.records, l.written = make(chan record, maxRecords), make(chan struct{})
	go func() {
		defer close(l.written)
		for r := range l.records {
			to.LogAttrs(r.ctx, r.level, r.text, r.attrs...)
			if n := l.lost.Swap(0); n > 0 {
				to.Warn("the log handler is too slow, so changes of health were dropped", "lost", n)
			}
		}
	}()
}

// End waits until everything is written, but no longer than d, because the handler may block. Write
// nothing after End.
func (l *Log) End(d time.Duration) {
	close(l.records)
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	select {
	case <-l.written:
	case <-timeout.C:
	}
}

// Change writes one record of one change, in the trace of the run that caused it. event.name makes
// it an event in handlers that export logs. The first pass of a check has level debug, because
// nothing is wrong.
func (l *Log) Change(v *judge.Verdict, c *judge.Change) {
	if r := c.Check; r != nil {
		level := levelOf(r.State)
		if !r.Moved && r.State == verdict.Pass {
			level = slog.LevelDebug
		}
		l.write(c.Trace(v), level, "a check changed its state",
			slog.String("event.name", "health.check.state_changed"),
			slog.String(string(conventions.CheckName), r.Subject.Name), slog.String(string(conventions.CheckRole), states.Role(r.Subject.OnFail)),
			slog.String(string(conventions.CheckState), string(r.State)), slog.String("health.check.previous_state", string(c.Was)),
			slog.String("health.check.output", r.Reason))
		return
	}
	r := &v.Probes[c.Probe]
	l.write(c.Trace(v), levelOf(r.State), "a probe changed its state",
		slog.String("event.name", "health.probe.state_changed"),
		slog.String(string(conventions.ProbeName), c.Probe.String()), slog.String(string(conventions.ProbeState), string(r.State)),
		slog.String("health.probe.previous_state", string(c.Was)), slog.String(string(conventions.Lifecycle), string(v.Phase)),
		slog.String("health.probe.output", r.Reason))
}

func (l *Log) write(ctx context.Context, level slog.Level, text string, attrs ...slog.Attr) {
	select {
	case l.records <- record{ctx, level, text, attrs}:
	default:
		l.lost.Add(1)
	}
}

func levelOf(s verdict.State) slog.Level {
	if s == verdict.Pass {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
