package telemetry

import (
	"context"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// exportRule only informs, because a dead collector must not move traffic. It reads lost items, because a
// full queue loses items without a failed export.
var exportRule = rule.Rule{
	Name: "telemetry", Value: rule.Increase(itemsLost), Per: []string{string(attrSignal), string(semconv.ErrorTypeKey)},
	Window: 2 * time.Minute, Fail: rule.Above(0), OnFail: healthcheck.ShowOnly,
}

// environmentRule only informs too.
var environmentRule = rule.Rule{
	Name: "telemetry-environment", Value: rule.Last(environmentInvalid), Per: []string{string(attrVariable)},
	Fail: rule.Above(0), OnFail: healthcheck.ShowOnly,
}

// startHealth starts the Monitor on this pipeline.
func (t *Telemetry) startHealth(ctx context.Context, health *healthcheck.Monitor, env *environment) error {
	var added []func()
	add := func(r rule.Rule) {
		// An error means that the name is in use, so the user's own check has it, or that health
		// can't start, which StartWith reports.
		if remove, err := health.AddRule(r); err == nil {
			added = append(added, remove)
		}
	}
	if env.exports() {
		add(exportRule)
	}
	if len(env.invalid) > 0 {
		add(environmentRule)
	}
	err := health.StartWith(ctx, healthcheck.Pipeline{
		Reader: t.evidence, MeterProvider: t.MeterProvider, TracerProvider: t.TracerProvider, Logger: t.Logger,
	})
	if err != nil {
		for _, remove := range added {
			remove()
		}
		return err
	}
	t.health = health
	if c, ok := t.Reader.(*collection); ok {
		c.forget() // an older snapshot still says starting, and must not be exported now
	}
	return nil
}
