package telemetry

import (
	"cmp"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// guarded returns the views of the user with the limits of ownViews and with the histograms' own
// boundaries. An instrument takes only its
// first view, so a view of all histograms would give the Host header to every client again. A view
// of one instrument is meant, and stays as it is.
func guarded(views []sdkmetric.View, own *advice) []sdkmetric.View {
	guards := append(slices.Clone(ownViews), own.view)
	out := make([]sdkmetric.View, len(views))
	for n, view := range views {
		out[n] = func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			s, ok := view(i)
			if !ok || !isGeneral(view, i) {
				return s, ok
			}
			for _, guard := range guards {
				if g, is := guard(i); is {
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
		if _, ok := view(i); ok {
			return true
		}
	}
	return false
}

// merge returns s with what guard has besides. What guard drops stays dropped.
func merge(s, guard sdkmetric.Stream) sdkmetric.Stream {
	if _, drop := guard.Aggregation.(sdkmetric.AggregationDrop); drop || s.Aggregation == nil {
		s.Aggregation = guard.Aggregation
	}
	s.Description, s.Unit = cmp.Or(s.Description, guard.Description), cmp.Or(s.Unit, guard.Unit)
	if keep, limit := s.AttributeFilter, guard.AttributeFilter; keep != nil && limit != nil {
		s.AttributeFilter = func(kv attribute.KeyValue) bool { return limit(kv) && keep(kv) }
	} else if limit != nil {
		s.AttributeFilter = limit
	}
	if s.ExemplarReservoirProviderSelector == nil {
		s.ExemplarReservoirProviderSelector = guard.ExemplarReservoirProviderSelector
	}
	return s
}
