package telemetry

import (
	"cmp"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// guarded returns the views of the user with the limits of ownViews and the histograms' own boundaries. An
// instrument takes only its first view. So without these limits, a view of all histograms would let each
// Host header make a series again. A view of one instrument is deliberate, and stays as it is.
func guarded(views []sdkmetric.View, advised *advice) []sdkmetric.View {
	guards := append(slices.Clone(ownViews), advised.view)
	out := make([]sdkmetric.View, len(views))
	for n, view := range views {
		view := func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) { return guard.View(view, i) }
		out[n] = func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			s, ok := view(i)
			if !ok || !isGeneral(view, i) {
				return s, ok
			}
			for _, own := range guards {
				if g, is := own(i); is {
					s = merge(s, g)
				}
			}
			return s, true
		}
	}
	return out
}

// isGeneral reports whether a view of an instrument matches others, too.
func isGeneral(view sdkmetric.View, i sdkmetric.Instrument) bool {
	for _, name := range []string{i.Name + ".other", "other." + i.Name} {
		i.Name = name
		if _, ok := guard.View(view, i); ok {
			return true
		}
	}
	return false
}

// merge returns s with the further settings of own. Attributes that own drops stay dropped.
func merge(s, own sdkmetric.Stream) sdkmetric.Stream {
	if _, drop := own.Aggregation.(sdkmetric.AggregationDrop); drop || s.Aggregation == nil {
		s.Aggregation = own.Aggregation
	}
	s.Description, s.Unit = cmp.Or(s.Description, own.Description), cmp.Or(s.Unit, own.Unit)
	if keep, limit := s.AttributeFilter, own.AttributeFilter; keep != nil && limit != nil {
		s.AttributeFilter = func(kv attribute.KeyValue) bool { return limit(kv) && keep(kv) }
	} else if limit != nil {
		s.AttributeFilter = limit
	}
	if s.ExemplarReservoirProviderSelector == nil {
		s.ExemplarReservoirProviderSelector = own.ExemplarReservoirProviderSelector
	}
	return s
}
