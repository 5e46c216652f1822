package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// advice has the bucket boundaries that histograms were created with. The SDK does not show them to
// views, so a limit of a rule would replace them by the default ones, and dashboards would lose
// their resolution. The providers note them just before the SDK asks the views.
type advice struct {
	mu         sync.Mutex
	boundaries map[advised][]float64
}

// advised identifies a histogram.
type advised struct{ scope, name string }

func (a *advice) note(scope, name string, boundaries []float64) {
	if len(boundaries) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.boundaries == nil {
		a.boundaries = map[advised][]float64{}
	}
	a.boundaries[advised{scope, name}] = boundaries
}

// view gives a histogram its own boundaries.
func (a *advice) view(i sdkmetric.Instrument) (s sdkmetric.Stream, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	boundaries, ok := a.boundaries[advised{i.Scope.Name, i.Name}]
	if !ok || i.Kind != sdkmetric.InstrumentKindHistogram {
		return s, false
	}
	return sdkmetric.Stream{
		Name: i.Name, Description: i.Description, Unit: i.Unit,
		Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: boundaries},
	}, true
}

// advisedProvider notes the boundaries of the histograms that it makes.
type advisedProvider struct {
	metric.MeterProvider
	advice *advice
}

func (p advisedProvider) Meter(name string, o ...metric.MeterOption) metric.Meter {
	return advisedMeter{p.MeterProvider.Meter(name, o...), name, p.advice}
}

type advisedMeter struct {
	metric.Meter
	scope  string
	advice *advice
}

func (m advisedMeter) Float64Histogram(name string, o ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	config := metric.NewFloat64HistogramConfig(o...)
	m.advice.note(m.scope, name, config.ExplicitBucketBoundaries())
	return m.Meter.Float64Histogram(name, o...)
}

func (m advisedMeter) Int64Histogram(name string, o ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	config := metric.NewInt64HistogramConfig(o...)
	m.advice.note(m.scope, name, config.ExplicitBucketBoundaries())
	return m.Meter.Int64Histogram(name, o...)
}
