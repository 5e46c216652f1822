package export

import (
	"context"
	"log/slog"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A Log writes the changes of judgements. It never waits for the log handler, because the judge must not
// wait.
type Log struct{ *guard.Writer }

// Change writes one record of one change, in the trace of the run that caused it. event.name makes
// it an event in handlers that export logs. The first pass of a check has level debug, because
// nothing is wrong.
func (l Log) Change(v *judge.Verdict, c *judge.Change) {
	if r := c.Check; r != nil && c.Voted {
		text, decision := "a failing check takes the instance out, because its peers don't keep it ready", "leave"
		if r.Vote.Stays {
			text, decision = "the votes of its peers keep the instance ready, although a check fails", "stay"
		}
		l.Write(c.Trace(v), slog.LevelWarn, text,
			slog.String("event.name", "health.peers.decided"),
			slog.String(string(conventions.CheckName), r.Subject.Name), slog.String("health.peers.decision", decision),
			slog.String("health.check.output", r.Reason))
		return
	}
	if r := c.Check; r != nil && c.Told != nil {
		l.Write(c.Trace(v), slog.LevelWarn, "a rule can't always be judged exactly",
			slog.String("event.name", "health.check.inexact"),
			slog.String(string(conventions.CheckName), r.Subject.Name), slog.String("health.check.output", c.Told.Field+": "+c.Told.Problem))
		return
	}
	if r := c.Check; r != nil {
		level := levelOf(r.State)
		if !r.Moved && r.State == verdict.Pass {
			level = slog.LevelDebug
		}
		l.Write(c.Trace(v), level, "a check changed its state",
			slog.String("event.name", "health.check.state_changed"),
			slog.String(string(conventions.CheckName), r.Subject.Name), slog.String(string(conventions.CheckRole), states.Role(r.Subject.OnFail)), slog.Bool("health.check.shadow", r.Shadow),
			slog.String(string(conventions.CheckState), string(r.State)), slog.String("health.check.previous_state", string(c.Was)),
			slog.String("health.check.output", r.Reason))
		return
	}
	r := c.Of(v)
	if c.Shadow {
		l.Write(c.Trace(v), slog.LevelInfo, "a probe would have changed its state if the checks in shadow were enforced",
			slog.String("event.name", "health.probe.shadow.state_changed"),
			slog.String(string(conventions.ProbeName), c.Probe.String()), slog.String(string(conventions.ProbeState), string(r.State)),
			slog.String("health.probe.previous_state", string(c.Was)), slog.String("health.probe.output", r.Reason))
		return
	}
	l.Write(c.Trace(v), levelOf(r.State), "a probe changed its state",
		slog.String("event.name", "health.probe.state_changed"),
		slog.String(string(conventions.ProbeName), c.Probe.String()), slog.String(string(conventions.ProbeState), string(r.State)),
		slog.String("health.probe.previous_state", string(c.Was)), slog.String(string(conventions.Lifecycle), string(v.Phase)),
		slog.String("health.probe.output", r.Reason))
}

// OverridesChanged is the event.name of lines on overrides, which may wait.
const OverridesChanged = "health.overrides.changed"

// Maintenance writes that an operator has taken the instance out of traffic, and where the request came
// from.
func (l Log) Maintenance(reason, source string, until time.Time) {
	l.Write(context.Background(), slog.LevelWarn, "the instance is in maintenance",
		slog.String("event.name", "health.maintenance.changed"),
		slog.String("reason", guard.Cut(reason)), slog.String("source", source), slog.Time("until", until.UTC()))
}

// MaintenanceEnd writes that the instance is back.
func (l Log) MaintenanceEnd() {
	l.Write(context.Background(), slog.LevelInfo, "maintenance has ended", slog.String("event.name", "health.maintenance.changed"))
}

func levelOf(s verdict.State) slog.Level {
	if s == verdict.Pass {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
