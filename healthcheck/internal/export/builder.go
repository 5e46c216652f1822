package export

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// A Builder creates instruments and collects the errors, so that a table of instruments needs no
// error handling.
type Builder struct {
	Meter metric.Meter
	Err   error
}

func created[I any](m *Builder, i I, err error) I {
	m.Err = errors.Join(m.Err, err)
	return i
}

func (m *Builder) gauge(name, unit, doc string) metric.Float64ObservableGauge {
	i, err := m.Meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return created(m, i, err)
}

func (m *Builder) intGauge(name, unit, doc string) metric.Int64ObservableGauge {
	i, err := m.Meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return created(m, i, err)
}

func (m *Builder) UpDown(name, unit, doc string) metric.Int64ObservableUpDownCounter {
	i, err := m.Meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return created(m, i, err)
}

func (m *Builder) counter(name, unit, doc string) metric.Int64ObservableCounter {
	i, err := m.Meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return created(m, i, err)
}

func (m *Builder) seconds(name, unit, doc string) metric.Float64ObservableCounter {
	i, err := m.Meter.Float64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return created(m, i, err)
}

func (m *Builder) events(name, unit, doc string) metric.Int64Counter {
	i, err := m.Meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	return created(m, i, err)
}

func (m *Builder) Histogram(name, unit, doc string, bounds []float64) metric.Float64Histogram {
	i, err := m.Meter.Float64Histogram(name, metric.WithUnit(unit), metric.WithDescription(doc), metric.WithExplicitBucketBoundaries(bounds...))
	return created(m, i, err)
}
