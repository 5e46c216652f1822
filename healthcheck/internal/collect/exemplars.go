package collect

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// sparse makes a series' room for exemplars with its first exemplar. The SDK makes it with the
// series: a third of a histogram's memory. It also makes room for all possible exemplars of every
// series at every collection, which is nine tenths of the cost of a collection. What is exported is
// the same.
func sparse(agg sdkmetric.Aggregation) exemplar.ReservoirProvider {
	provider := sdkmetric.DefaultExemplarReservoirProviderSelector(agg)
	return func(kept attribute.Set) exemplar.Reservoir {
		return &sparseExemplars{provider: provider, kept: kept}
	}
}

// sparseExemplars needs no lock. The SDK locks every reservoir that does not say that it has locks
// of its own.
type sparseExemplars struct {
	provider exemplar.ReservoirProvider
	kept     attribute.Set
	all      exemplar.Reservoir // nil before the first exemplar
}

func (r *sparseExemplars) Offer(ctx context.Context, at time.Time, v exemplar.Value, dropped []attribute.KeyValue) {
	if r.all == nil {
		r.all = r.provider(r.kept)
	}
	r.all.Offer(ctx, at, v, dropped)
}

// Collect leaves no capacity in dest, because the SDK gives each series as much.
func (r *sparseExemplars) Collect(dest *[]exemplar.Exemplar) {
	if r.all == nil {
		*dest = nil
		return
	}
	r.all.Collect(dest)
	*dest = slices.Clip(*dest)
}
