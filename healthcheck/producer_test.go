package healthcheck

import (
	"context"
	"sync/atomic"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// backlog is a Producer with one gauge, as a bridge from client_golang has.
type backlog struct{ atomic.Int64 }

func (b *backlog) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{
		Name: "orders_backlog", Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Value: float64(b.Load())}}},
	}}}}, nil
}

// TestProducer: what no instrument of the SDK made is judged too, and a mistyped name
// is told all the same.
func TestProducer(t *testing.T) {
	b := new(backlog)
	reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(b))
	k := newInstance(t, "a", []sdkmetric.Option{sdkmetric.WithReader(reader)},
		Check{Name: "backlog", Role: Core, Limit: Last("orders_backlog").AtMost(80)},
		Check{Name: "typo", Role: Informational, Limit: Last("orders_backlogs").AtMost(80)},
	)
	k.reader = reader
	k.start()
	k.want("/ready", 200, Pass)
	k.state("typo", Unknown)
	b.Store(81)
	k.Evaluate(t.Context())
	k.want("/ready", 503, Fail)
	k.state("backlog", Fail)
}
