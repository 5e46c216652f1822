package healthcheck

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// ran exports one finished run of an active check.
func (m *Monitor) ran(ctx context.Context, name string, o *outcome) {
	set := metric.WithAttributes(attrName.String(name))
	if o.class != "" {
		set = metric.WithAttributes(attrName.String(name), semconv.ErrorTypeKey.String(o.class))
	}
	m.instruments.checkDuration.Record(ctx, o.took.Seconds(), set)
}

// checkChanged counts and logs a check's new state.
func (m *Monitor) checkChanged(r *Result, was State) {
	ctx := context.Background()
	if r.moved {
		m.instruments.checkTransitions.Add(ctx, 1, metric.WithAttributes(attrName.String(r.Name), attrState.String(string(r.State))))
	}
	m.Logger.LogAttrs(ctx, level(r.State), "health check changed",
		slog.String("check", r.Name), slog.String("role", r.Role.String()),
		slog.String("state", string(r.State)), slog.String("was", string(was)), slog.String("output", r.Output))
}

// probeChanged counts and logs a probe's flip.
func (m *Monitor) probeChanged(v *Verdict, p Probe, was State) {
	ctx, r := context.Background(), &v.rulings[p]
	m.instruments.probeTransitions.Add(ctx, 1, metric.WithAttributes(attrProbe.String(p.String()), attrProbeSt.String(string(r.state))))
	m.Logger.LogAttrs(ctx, level(r.state), "probe changed",
		slog.String("probe", p.String()), slog.String("state", string(r.state)), slog.String("was", string(was)),
		slog.String("lifecycle", string(v.Lifecycle)), slog.String("output", r.output))
}

func level(s State) slog.Level {
	if s == Pass {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
