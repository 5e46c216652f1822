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

// A Log writes to a logger what judgements have changed. A handler may block, on a full pipe
// or a dead disk. The judge may not, so there is a goroutine between them. What
// does not fit while the handler blocks is counted and dropped: the metrics have
// it. The zero Log has not begun and takes nothing.
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

// Begin writes in a goroutine of its own from now on.
func (l *Log) Begin(to *slog.Logger) {
	l.records, l.written = make(chan record, maxRecords), make(chan struct{})
	go func() {
		defer close(l.written)
		for r := range l.records {
			to.LogAttrs(r.ctx, r.level, r.text, r.attrs...)
			if n := l.lost.Swap(0); n > 0 {
				to.Warn("the log was too slow for the changes of health", "lost", n)
			}
		}
	}()
}

// End waits until everything is written, and no longer than d: the handler may block.
// Nothing may be written after it.
func (l *Log) End(d time.Duration) {
	close(l.records)
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	select {
	case <-l.written:
	case <-timeout.C:
	}
}

// Change writes what a judgement has changed: one record, in the trace of the run that
// caused it. A handler that exports logs makes an event of it by event.name. A check that
// passes from the first changes nothing: its level is debug.
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
