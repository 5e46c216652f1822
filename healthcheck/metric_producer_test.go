package healthcheck

import (
	"context"
	"sync/atomic"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// backlog is a metric.Producer with one gauge, as a bridge of client_golang is.
type backlog struct{ atomic.Int64 }

func (b *backlog) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{
		Name: "orders_backlog", Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Value: float64(b.Load())}}},
	}}}}, nil
}

// TestProducer: a metric of a Producer is judged too, although no instrument of the SDK made it. A
// mistyped name is still found.
func TestProducer(t *testing.T) {
	b := new(backlog)
	reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(b))
	k := newInstance(t, "a", []sdkmetric.Option{sdkmetric.WithReader(reader)}, ofRules(
		rule.Rule{Name: "backlog", OnFail: NotReady, Value: rule.Last("orders_backlog"), Fail: rule.Above(80)},
		rule.Rule{Name: "typo", OnFail: ShowOnly, Value: rule.Last("orders_backlogs"), Fail: rule.Above(80)},
	))
	k.reader, k.pipeline.Reader = reader, reader
	k.start()
	k.want("/ready", 200, verdict.Pass)
	k.state("typo", verdict.Unknown)
	b.Store(81)
	k.evaluate()
	k.want("/ready", 503, verdict.Fail)
	k.state("backlog", verdict.Fail)
}
