package export

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// A Maker creates instruments and keeps the errors, so that a table of them reads
// as one.
type Maker struct {
	Meter metric.Meter
	Err   error
}

func made[I any](m *Maker, i I, err error) I {
	m.Err = errors.Join(m.Err, err)
	return i
}

func (m *Maker) gauge(name, unit, doc string) metric.Float64ObservableGauge {
	i, err := m.Meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *Maker) intGauge(name, unit, doc string) metric.Int64ObservableGauge {
	i, err := m.Meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *Maker) UpDown(name, unit, doc string) metric.Int64ObservableUpDownCounter {
	i, err := m.Meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *Maker) counter(name, unit, doc string) metric.Int64ObservableCounter {
	i, err := m.Meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *Maker) seconds(name, unit, doc string) metric.Float64ObservableCounter {
	i, err := m.Meter.Float64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *Maker) events(name, unit, doc string) metric.Int64Counter {
	i, err := m.Meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return made(m, i, err)
}

func (m *Maker) Histogram(name, unit, doc string, bounds []float64) metric.Float64Histogram {
	i, err := m.Meter.Float64Histogram(name, metric.WithUnit(unit), metric.WithDescription(doc), metric.WithExplicitBucketBoundaries(bounds...))
	return made(m, i, err)
}
