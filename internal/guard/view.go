package guard

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// View asks a user's view about an instrument, on the goroutine that creates it. A view that panics matches
// nothing. The stream's filter and its reservoir of exemplars run wherever somebody records. If the filter
// panics, the attribute is dropped, because the filter may be there to keep secrets out. If the reservoir
// panics, the exemplar is dropped.
func View(view sdkmetric.View, i sdkmetric.Instrument) (stream sdkmetric.Stream, matched bool) {
	if Inline(func() { stream, matched = view(i) }) != nil {
		return sdkmetric.Stream{}, false
	}
	if filter := stream.AttributeFilter; filter != nil {
		stream.AttributeFilter = func(kv attribute.KeyValue) (keep bool) {
			if Inline(func() { keep = filter(kv) }) != nil {
				return false
			}
			return keep
		}
	}
	if selector := stream.ExemplarReservoirProviderSelector; selector != nil {
		stream.ExemplarReservoirProviderSelector = func(agg sdkmetric.Aggregation) exemplar.ReservoirProvider {
			var provider exemplar.ReservoirProvider
			_ = Inline(func() { provider = selector(agg) }) // after a panic: no exemplars
			return func(set attribute.Set) exemplar.Reservoir {
				r := &reservoir{}
				_ = Inline(func() { r.of = provider(set) })
				return r
			}
		}
	}
	return stream, matched
}

// reservoir calls a user's reservoir. If that panics, the measurement counts without an exemplar.
type reservoir struct{ of exemplar.Reservoir }

func (r *reservoir) Offer(ctx context.Context, t time.Time, v exemplar.Value, dropped []attribute.KeyValue) {
	_ = Inline(func() { r.of.Offer(ctx, t, v, dropped) })
}

func (r *reservoir) Collect(dest *[]exemplar.Exemplar) {
	if Inline(func() { r.of.Collect(dest) }) != nil {
		*dest = nil
	}
}
