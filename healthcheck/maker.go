package healthcheck

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// maker creates instruments and keeps the errors, so that a table of them reads
// as one.
type maker struct {
	meter metric.Meter
	err   error
}

func made[I any](m *maker, i I, err error) I {
	m.err = errors.Join(m.err, err)
	return i
}

func (m *maker) gauge(name, unit, doc string) metric.Float64ObservableGauge {
	i, err := m.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *maker) intGauge(name, unit, doc string) metric.Int64ObservableGauge {
	i, err := m.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *maker) upDown(name, unit, doc string) metric.Int64ObservableUpDownCounter {
	i, err := m.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *maker) counter(name, unit, doc string) metric.Int64ObservableCounter {
	i, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *maker) seconds(name, unit, doc string) metric.Float64ObservableCounter {
	i, err := m.meter.Float64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *maker) events(name, unit, doc string) metric.Int64Counter {
	i, err := m.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *maker) histogram(name, unit, doc string, bounds []float64) metric.Float64Histogram {
	i, err := m.meter.Float64Histogram(name, metric.WithUnit(unit), metric.WithDescription(doc), metric.WithExplicitBucketBoundaries(bounds...))
	return made(m, i, err)
}
