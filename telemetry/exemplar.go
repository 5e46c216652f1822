package telemetry

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// bareExemplars keeps an instrument's exemplars without the attributes that its view dropped. The SDK
// puts these on the exemplar. So a client's Host header would be exported, and Prometheus would refuse
// an exemplar with more than 128 characters. As in the Monitor's View, memory is used only for
// exemplars that exist.
func bareExemplars(agg sdkmetric.Aggregation) exemplar.ReservoirProvider {
	provider := sdkmetric.DefaultExemplarReservoirProviderSelector(agg)
	return func(kept attribute.Set) exemplar.Reservoir {
		return &bareReservoir{provider: provider, kept: kept}
	}
}

type bareReservoir struct {
	provider exemplar.ReservoirProvider
	kept     attribute.Set
	all      exemplar.Reservoir // nil before the first exemplar
}

func (r *bareReservoir) Offer(ctx context.Context, t time.Time, v exemplar.Value, _ []attribute.KeyValue) {
	if r.all == nil {
		r.all = r.provider(r.kept)
	}
	r.all.Offer(ctx, t, v, nil)
}

func (r *bareReservoir) Collect(dest *[]exemplar.Exemplar) {
	if r.all == nil {
		*dest = nil
		return
	}
	r.all.Collect(dest)
	*dest = slices.Clip(*dest)
}
