package collect

import (
	"cmp"
	"sync"
	"sync/atomic"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/bucket"
)

// view is the View that makes limits, by metric, boundaries and takes note of what is
// created.
func (c *Instruments) View(limits map[string][]float64, base ...sdkmetric.View) sdkmetric.View {
	c.watched.Store(true)
	return func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		stream, matched := sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit}, false
		for _, view := range base {
			if s, ok := view(i); ok {
				stream, matched = s, true
				break
			}
		}
		name := cmp.Or(stream.Name, i.Name)
		if _, dropped := stream.Aggregation.(sdkmetric.AggregationDrop); !dropped {
			c.names.Store(name, i.Kind)
		}
		add := limits[name]
		if len(add) == 0 || i.Kind != sdkmetric.InstrumentKindHistogram {
			return stream, matched
		}
		switch agg := stream.Aggregation.(type) {
		case sdkmetric.AggregationExplicitBucketHistogram:
			agg.Boundaries = bucket.Merge(agg.Boundaries, add)
			stream.Aggregation = agg
		case nil, sdkmetric.AggregationDefault:
			stream.Aggregation = sdkmetric.AggregationExplicitBucketHistogram{Boundaries: bucket.Merge(bucket.Of(i), add)}
		}
		return stream, true
	}
}

// created is the set of instruments that the View has seen, and of what rules have
// found in a collection without it: metrics of a Producer, such as a bridge.
type Instruments struct {
	watched atomic.Bool
	names   sync.Map
}

// observed reports whether a metric's series may begin anywhere: an observable
// counter shows what somebody else has counted, a synchronous one begins at zero.
func (c *Instruments) Cumulates(name string) bool {
	kind, seen := c.names.Load(name)
	return !seen || (kind != sdkmetric.InstrumentKindCounter && kind != sdkmetric.InstrumentKindHistogram)
}

// has reports whether an instrument was created, and whether that is known.
func (c *Instruments) Has(name string) (yes, known bool) {
	_, yes = c.names.Load(name)
	return yes, c.watched.Load()
}

// note takes note of a metric that is in a collection.
func (c *Instruments) note(name string) { c.names.LoadOrStore(name, sdkmetric.InstrumentKind(0)) }
