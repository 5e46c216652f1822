package healthcheck

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// observe is the one callback. It loads one pointer, waits for nothing and never
// returns an error: that would drop a whole OTLP export.
func (m *Monitor) observe(_ context.Context, o metric.Observer) error {
	defer func() { _ = recover() }()
	v, now := m.verdict.Load(), time.Now()
	for _, h := range m.heartbeats {
		m.instruments.ObserveBeats(o, h.name, h.beats.Load(), h.active.Load())
	}
	m.requests.each(func(p Probe, code int, n int64) { m.instruments.ObserveRequests(o, p, code, n) })
	if v != nil {
		m.instruments.ObserveVerdict(o, v.judged, now)
	}
	return nil
}
