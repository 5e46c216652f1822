package telemetry

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"
)

// meterProvider is the SDK's, with guarded callbacks. It notes the boundaries of each new histogram.
type meterProvider struct {
	metric.MeterProvider
	advice *advice
	faults *faults
	names  *sync.Map // of observable instruments
}

func (p meterProvider) Meter(name string, o ...metric.MeterOption) metric.Meter {
	return meter{p.MeterProvider.Meter(name, o...), name, p}
}

type meter struct {
	metric.Meter
	scope    string
	provider meterProvider
}

func (m meter) Float64Histogram(name string, o ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	config := metric.NewFloat64HistogramConfig(o...)
	m.provider.advice.note(m.scope, name, config.ExplicitBucketBoundaries())
	return m.Meter.Float64Histogram(name, o...)
}

func (m meter) Int64Histogram(name string, o ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	config := metric.NewInt64HistogramConfig(o...)
	m.provider.advice.note(m.scope, name, config.ExplicitBucketBoundaries())
	return m.Meter.Int64Histogram(name, o...)
}

func (m meter) RegisterCallback(f metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	if f == nil {
		return nil, errors.New("the callback is nil")
	}
	c := &callback{name: m.namesOf(instruments), faults: m.provider.faults}
	return m.Meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		return c.observe(ctx, func(ctx context.Context, o *observations) error { return f(ctx, observer{to: o}) },
			func(o *observation) {
				switch i := o.instrument.(type) {
				case metric.Int64Observable:
					to.ObserveInt64(i, o.int, o.options...)
				case metric.Float64Observable:
					to.ObserveFloat64(i, o.float, o.options...)
				}
			})
	}, instruments...)
}

func (m meter) int64(name string, f metric.Int64Callback) metric.Int64Callback {
	c := &callback{name: name, faults: m.provider.faults}
	return func(ctx context.Context, to metric.Int64Observer) error {
		return c.observe(ctx, func(ctx context.Context, o *observations) error { return f(ctx, intObserver{to: o}) },
			func(o *observation) { to.Observe(o.int, o.options...) })
	}
}

func (m meter) float64(name string, f metric.Float64Callback) metric.Float64Callback {
	c := &callback{name: name, faults: m.provider.faults}
	return func(ctx context.Context, to metric.Float64Observer) error {
		return c.observe(ctx, func(ctx context.Context, o *observations) error { return f(ctx, floatObserver{to: o}) },
			func(o *observation) { to.Observe(o.float, o.options...) })
	}
}

// namesOf returns the names of the instruments of one callback.
func (m meter) namesOf(instruments []metric.Observable) string {
	var all []string
	for _, i := range instruments {
		if i != nil && reflect.ValueOf(i).Comparable() {
			if name, ok := m.provider.names.Load(i); ok {
				all = append(all, name.(string))
			}
		}
	}
	if len(all) > 3 {
		all = append(all[:3], fmt.Sprintf("%d others", len(all)-3))
	}
	return strings.Join(all, ", ")
}

// named keeps the name of an observable instrument.
func named[I metric.Observable](m meter, name string) func(I, error) (I, error) {
	return func(i I, err error) (I, error) {
		if err == nil && reflect.ValueOf(i).Comparable() {
			m.provider.names.Store(metric.Observable(i), name)
		}
		return i, err
	}
}

// guardedOptions returns options with guarded callbacks. An option has one callback at most. A nil callback
// is left out, because the SDK would call it at every collection.
func guardedOptions[O, F any](options []O, callbacks func(O) []F, guard func(F) O) (out []O) {
	for _, o := range options {
		switch all := callbacks(o); {
		case len(all) == 0:
			out = append(out, o)
		case !reflect.ValueOf(all[0]).IsNil():
			out = append(out, guard(all[0]))
		}
	}
	return out
}

func (m meter) Int64ObservableCounter(name string, options ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	return named[metric.Int64ObservableCounter](m, name)(m.Meter.Int64ObservableCounter(name, guardedOptions(options,
		func(o metric.Int64ObservableCounterOption) []metric.Int64Callback {
			return metric.NewInt64ObservableCounterConfig(o).Callbacks()
		},
		func(f metric.Int64Callback) metric.Int64ObservableCounterOption {
			return metric.WithInt64Callback(m.int64(name, f))
		})...))
}

func (m meter) Int64ObservableUpDownCounter(name string, options ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	return named[metric.Int64ObservableUpDownCounter](m, name)(m.Meter.Int64ObservableUpDownCounter(name, guardedOptions(options,
		func(o metric.Int64ObservableUpDownCounterOption) []metric.Int64Callback {
			return metric.NewInt64ObservableUpDownCounterConfig(o).Callbacks()
		},
		func(f metric.Int64Callback) metric.Int64ObservableUpDownCounterOption {
			return metric.WithInt64Callback(m.int64(name, f))
		})...))
}

func (m meter) Int64ObservableGauge(name string, options ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	return named[metric.Int64ObservableGauge](m, name)(m.Meter.Int64ObservableGauge(name, guardedOptions(options,
		func(o metric.Int64ObservableGaugeOption) []metric.Int64Callback {
			return metric.NewInt64ObservableGaugeConfig(o).Callbacks()
		},
		func(f metric.Int64Callback) metric.Int64ObservableGaugeOption {
			return metric.WithInt64Callback(m.int64(name, f))
		})...))
}

func (m meter) Float64ObservableCounter(name string, options ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	return named[metric.Float64ObservableCounter](m, name)(m.Meter.Float64ObservableCounter(name, guardedOptions(options,
		func(o metric.Float64ObservableCounterOption) []metric.Float64Callback {
			return metric.NewFloat64ObservableCounterConfig(o).Callbacks()
		},
		func(f metric.Float64Callback) metric.Float64ObservableCounterOption {
			return metric.WithFloat64Callback(m.float64(name, f))
		})...))
}

func (m meter) Float64ObservableUpDownCounter(name string, options ...metric.Float64ObservableUpDownCounterOption) (metric.Float64ObservableUpDownCounter, error) {
	return named[metric.Float64ObservableUpDownCounter](m, name)(m.Meter.Float64ObservableUpDownCounter(name, guardedOptions(options,
		func(o metric.Float64ObservableUpDownCounterOption) []metric.Float64Callback {
			return metric.NewFloat64ObservableUpDownCounterConfig(o).Callbacks()
		},
		func(f metric.Float64Callback) metric.Float64ObservableUpDownCounterOption {
			return metric.WithFloat64Callback(m.float64(name, f))
		})...))
}

func (m meter) Float64ObservableGauge(name string, options ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return named[metric.Float64ObservableGauge](m, name)(m.Meter.Float64ObservableGauge(name, guardedOptions(options,
		func(o metric.Float64ObservableGaugeOption) []metric.Float64Callback {
			return metric.NewFloat64ObservableGaugeConfig(o).Callbacks()
		},
		func(f metric.Float64Callback) metric.Float64ObservableGaugeOption {
			return metric.WithFloat64Callback(m.float64(name, f))
		})...))
}
