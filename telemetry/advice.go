package telemetry

import (
	"slices"
	"sync"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// advice has the bucket boundaries that histograms were created with. The SDK does not show them to
// views. Without advice, a view that adds a rule's limit as a boundary would replace them by the
// defaults, and dashboards would lose their resolution. The providers note the boundaries just
// before the SDK asks the views.
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

// advising returns a view that leaves a histogram's own boundaries to the SDK, unless a limit was
// added. So a reader that wants exponential histograms gets them.
func (a *advice) advising(view sdkmetric.View) sdkmetric.View {
	return func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		s, ok := view(i)
		h, explicit := s.Aggregation.(sdkmetric.AggregationExplicitBucketHistogram)
		own, advised := a.view(i)
		if explicit && advised && !h.NoMinMax && slices.Equal(h.Boundaries, own.Aggregation.(sdkmetric.AggregationExplicitBucketHistogram).Boundaries) {
			s.Aggregation = nil
		}
		return s, ok
	}
}
