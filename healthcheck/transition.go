package healthcheck

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// ran exports one finished run of an active check.
func (m *Monitor) ran(ctx context.Context, name string, o *run.Outcome) {
	set := metric.WithAttributes(attr.CheckName.String(name))
	if o.Class != "" {
		set = metric.WithAttributes(attr.CheckName.String(name), semconv.ErrorTypeKey.String(o.Class))
	}
	m.instruments.checkDuration.Record(ctx, o.Took.Seconds(), set)
}

// teller writes what has changed to the log. A handler may block, on a full pipe
// or a dead disk; the judge may not, so there is a goroutine between them. What
// does not fit while the handler blocks is counted and dropped: the metrics have
// it.
type teller struct {
	records chan record
	lost    atomic.Int64
}

type record struct {
	ctx   context.Context
	level slog.Level
	text  string
	attrs []slog.Attr
}

const maxRecords = 256

func (t *teller) tell(ctx context.Context, l slog.Level, text string, attrs ...slog.Attr) {
	select {
	case t.records <- record{ctx, l, text, attrs}:
	default:
		t.lost.Add(1)
	}
}

// loop writes until the channel is closed.
func (t *teller) loop(log *slog.Logger) {
	for r := range t.records {
		log.LogAttrs(r.ctx, r.level, r.text, r.attrs...)
		if n := t.lost.Swap(0); n > 0 {
			log.Warn("the log was too slow for the changes of health", "lost", n)
		}
	}
}

// changed counts and logs what a judgement has changed.
func (m *Monitor) changed(j *judge.Verdict, c *judge.Change) {
	if c.Check != nil {
		m.checkChanged(c.Check, c.Was)
	} else {
		m.probeChanged(j, c.Probe, c.Was)
	}
}

// checkChanged counts and logs a check's new state: one record, in the trace of
// the run that caused it. A handler that exports logs makes an event of it by
// event.name. That a check passes from the first is no news: its level is debug.
func (m *Monitor) checkChanged(r *judge.Result, was State) {
	ctx := traceOf(r)
	if r.Moved {
		m.instruments.checkTransitions.Add(ctx, 1, metric.WithAttributes(attr.CheckName.String(r.Name), attr.CheckState.String(string(r.State))))
	}
	l := level(r.State)
	if !r.Moved && r.State == Pass {
		l = slog.LevelDebug
	}
	m.teller.tell(ctx, l, "a check changed its state",
		slog.String("event.name", "health.check.state_changed"),
		slog.String(string(attr.CheckName), r.Name), slog.String(string(attr.CheckRole), r.Role.String()),
		slog.String(string(attr.CheckState), string(r.State)), slog.String("health.check.previous_state", string(was)),
		slog.String("health.check.output", r.Output))
}

// probeChanged counts and logs a probe's flip, in the trace of the run that
// caused it.
func (m *Monitor) probeChanged(v *judge.Verdict, p Probe, was State) {
	r := &v.Rulings[p]
	ctx := traceOf(r.Cause)
	m.instruments.probeTransitions.Add(ctx, 1, metric.WithAttributes(attr.ProbeName.String(p.String()), attr.ProbeState.String(string(r.State))))
	m.teller.tell(ctx, level(r.State), "a probe changed its state",
		slog.String("event.name", "health.probe.state_changed"),
		slog.String(string(attr.ProbeName), p.String()), slog.String(string(attr.ProbeState), string(r.State)),
		slog.String("health.probe.previous_state", string(was)), slog.String(string(attr.Lifecycle), string(v.Lifecycle)),
		slog.String("health.probe.output", r.Output))
}

// traceOf is a context in the trace of a check's last run, if it has any.
func traceOf(r *judge.Result) context.Context {
	ctx := context.Background()
	if r != nil && r.Finding.Outcome != nil {
		ctx = trace.ContextWithSpanContext(ctx, r.Finding.Outcome.Span)
	}
	return ctx
}

func level(s State) slog.Level {
	if s == Pass {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
