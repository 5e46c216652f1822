package telemetry

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// slowDeltas is an exporter of deltas whose collector needs a second for each request.
type slowDeltas struct{ counted *int64 }

func (slowDeltas) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.DeltaTemporality
}

func (slowDeltas) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

func (x slowDeltas) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	sum := int64(0)
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				sum += p.Value
			}
		}
	}
	select {
	case <-time.After(time.Second):
		*x.counted += sum
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (slowDeltas) ForceFlush(context.Context) error { return nil }
func (slowDeltas) Shutdown(context.Context) error   { return nil }

// TestDeltasAtTheEnd: the SDK cancels an export that is running at the end. Its counts are in no later export, so it
// continues. The last export has only the counts after it.
func TestDeltasAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counted := int64(0)
		out := &newOutcomes(nil).metrics
		inner := slowDeltas{&counted}
		r := sdkmetric.NewPeriodicReader(metricExporter{inner, out, deltas(inner)}, sdkmetric.WithInterval(5*time.Second))
		c, err := sdkmetric.NewMeterProvider(sdkmetric.WithReader(r)).Meter("m").Int64Counter("requests")
		if err != nil {
			t.Fatal(err)
		}
		c.Add(t.Context(), 5)
		time.Sleep(5500 * time.Millisecond) // the export is under way
		c.Add(t.Context(), 2)
		if err := r.Shutdown(t.Context()); err != nil || counted != 7 {
			t.Errorf("%v, %d requests arrived, want 7", err, counted)
		}
	})
}
