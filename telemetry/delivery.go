package telemetry

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// delivery exports snapshots by OTLP. It is the Producer of a PeriodicReader whose provider has no
// instruments. So the SDK handles intervals, timeouts and flushes.
type delivery struct {
	from    *collection
	reader  exportingReader
	outcome *outcome
	age     time.Duration // of an exported snapshot, at most
	last    *snapshot     // exported; only the reader uses it, one export at a time
	flushes atomic.Int32  // in progress
}

// deliveryAge is how old an exported snapshot may be. The Monitor makes one every second, and a little
// later on a busy machine. More frequent exports collect for themselves.
func deliveryAge(interval time.Duration) time.Duration {
	if interval < time.Second {
		return 0
	}
	return 1500 * time.Millisecond
}

// deliver makes the collection export by a reader. others have metrics that only OTLP gets.
func (c *collection) deliver(x sdkmetric.Exporter, res *resource.Resource, out *outcome, interval time.Duration, others []sdkmetric.Producer) {
	d := &delivery{from: c, outcome: out, age: deliveryAge(interval)}
	options := []sdkmetric.PeriodicReaderOption{sdkmetric.WithInterval(interval), sdkmetric.WithProducer(d)}
	for _, p := range others {
		options = append(options, sdkmetric.WithProducer(p))
	}
	d.reader = exportingReader{sdkmetric.NewPeriodicReader(x, options...), out}
	sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(d.reader))
	c.delivery = d
}

func (d *delivery) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	age := d.age
	if d.flushes.Load() > 0 {
		age = 0
	}
	s, err := d.from.snapshot(ctx, age, d.last)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return nil, err // the reader ends, and its last export has all counts
	case err != nil:
		d.outcome.of(ctx, func(context.Context) error { return err }) // counts and logs it
		d.outcome.lose(1, exportError(err))                           // at least one
		return nil, err
	}
	d.last = s
	return s.ScopeMetrics, nil
}

// flush exports what was recorded before.
func (d *delivery) flush(ctx context.Context, flush func(context.Context) error) error {
	d.flushes.Add(1)
	defer d.flushes.Add(-1)
	return flush(ctx)
}

// shares reports whether an exporter can use the figures of /metrics. With
// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE or _DEFAULT_HISTOGRAM_AGGREGATION it needs others.
func shares(x sdkmetric.Exporter) bool {
	for kind := sdkmetric.InstrumentKindCounter; kind <= sdkmetric.InstrumentKindGauge; kind++ {
		if x.Temporality(kind) != metricdata.CumulativeTemporality ||
			!reflect.DeepEqual(x.Aggregation(kind), sdkmetric.DefaultAggregationSelector(kind)) {
			return false
		}
	}
	return true
}
