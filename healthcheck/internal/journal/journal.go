// Package journal writes to the log what a judgement has changed.
//
// In: judge.Changes, from the goroutine that judges, which never waits. Out: records, from a
// goroutine of its own, since a handler may block; what does not fit is counted and dropped.
package journal

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// teller writes what has changed to the log. A handler may block, on a full pipe
// or a dead disk; the judge may not, so there is a goroutine between them. What
// does not fit while the handler blocks is counted and dropped: the metrics have
// it.
type Journal struct {
	records chan record
	Written chan struct{} // closed once everything is written
	lost    atomic.Int64
}

type record struct {
	ctx   context.Context
	level slog.Level
	text  string
	attrs []slog.Attr
}

const maxRecords = 256

func (t *Journal) tell(ctx context.Context, l slog.Level, text string, attrs ...slog.Attr) {
	select {
	case t.records <- record{ctx, l, text, attrs}:
	default:
		t.lost.Add(1)
	}
}

// loop writes until the channel is closed.
func (t *Journal) loop(log *slog.Logger) {
	for r := range t.records {
		log.LogAttrs(r.ctx, r.level, r.text, r.attrs...)
		if n := t.lost.Swap(0); n > 0 {
			log.Warn("the log was too slow for the changes of health", "lost", n)
		}
	}
}

// change writes what a judgement has changed: one record, in the trace of the run that
// caused it. A handler that exports logs makes an event of it by event.name. That a check
// passes from the first is no news: its level is debug.
func (t *Journal) Change(v *judge.Verdict, c *judge.Change) {
	if r := c.Check; r != nil {
		l := level(r.State)
		if !r.Moved && r.State == verdict.Pass {
			l = slog.LevelDebug
		}
		t.tell(c.Trace(v), l, "a check changed its state",
			slog.String("event.name", "health.check.state_changed"),
			slog.String(string(attr.CheckName), r.Name), slog.String(string(attr.CheckRole), r.Role.String()),
			slog.String(string(attr.CheckState), string(r.State)), slog.String("health.check.previous_state", string(c.Was)),
			slog.String("health.check.output", r.Output))
		return
	}
	r := &v.Rulings[c.Probe]
	t.tell(c.Trace(v), level(r.State), "a probe changed its state",
		slog.String("event.name", "health.probe.state_changed"),
		slog.String(string(attr.ProbeName), c.Probe.String()), slog.String(string(attr.ProbeState), string(r.State)),
		slog.String("health.probe.previous_state", string(c.Was)), slog.String(string(attr.Lifecycle), string(v.Lifecycle)),
		slog.String("health.probe.output", r.Output))
}

// begin writes in a goroutine of its own from now on.
func (t *Journal) Begin(log *slog.Logger) {
	t.records, t.Written = make(chan record, maxRecords), make(chan struct{})
	go func() {
		defer close(t.Written)
		t.loop(log)
	}()
}

// end waits for what was told to be written, and no longer than d: the handler may block.
// Nothing may be told after it.
func (t *Journal) End(d time.Duration) {
	close(t.records)
	patience := time.NewTimer(d)
	defer patience.Stop()
	select {
	case <-t.Written:
	case <-patience.C:
	}
}

func level(s verdict.State) slog.Level {
	if s == verdict.Pass {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
