package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/metric"
)

// instrumentMended creates the counter of mended texts.
func (o *outcomes) instrumentMended(meter metric.Meter) error {
	texts, err := meter.Int64Counter("telemetry.export.mended_texts", metric.WithUnit("{text}"),
		metric.WithDescription("Texts that were not valid UTF-8 and were exported with U+FFFD, at every export."))
	if err == nil {
		o.texts.Store(&texts)
	}
	return err
}

// mendedResource counts the texts of the resource once, because all signals share the resource.
func (o *outcomes) mendedResource(env *environment, texts int) {
	for _, s := range []struct {
		*outcome
		exported bool
	}{{&o.metrics, env.metrics.exported}, {&o.traces, env.traces.exported}, {&o.logs, env.logs.exported}} {
		if s.exported {
			s.countMended(texts)
		}
	}
}

// countMended counts mended texts. A text of cumulative metrics is counted again at every export.
func (o *outcome) countMended(texts int) {
	if c := o.texts.Load(); c != nil && texts > 0 {
		(*c).Add(context.Background(), int64(texts), metric.WithAttributes(attrSignal.String(o.signal)))
	}
}
