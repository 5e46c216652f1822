package healthcheck

import (
	"cmp"
	"sync"
	"sync/atomic"

	"github.com/otelhealth/otelhealth/healthcheck/internal/spec"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// semconvSeconds are the boundaries that OpenTelemetry's semantic conventions
// give http.server.request.duration and its like, in seconds.
var semconvSeconds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// semconvDatabase are those of db.client.operation.duration, in seconds.
var semconvDatabase = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10}

// View is the one view to build the MeterProvider with. It makes every latency
// limit of Checks a bucket boundary of its histogram, so that a quantile is
// judged by an exact count, and it sees which instruments are created, so that a
// mistyped name is told from a quiet one.
//
// The first of base that matches an instrument is applied to it, with the limits
// merged into its boundaries; rules go by the names that these views give. Pass
// your own views here and not to the provider: an instrument takes only one. Set
// Checks before.
func (m *Monitor) View(base ...sdkmetric.View) sdkmetric.View {
	limits := map[string][]float64{}
	for _, c := range m.Checks {
		in := &c.limit().Indicator
		switch in.Kind {
		case spec.KindQuantile:
			for _, b := range c.limit().Bounds {
				limits[in.Metric] = append(limits[in.Metric], b.Value)
			}
		case spec.KindOver:
			limits[in.Metric] = append(limits[in.Metric], in.Bound)
		}
	}
	m.created.watched.Store(true)
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
			m.created.names.Store(name, i.Kind)
		}
		add := limits[name]
		if len(add) == 0 || i.Kind != sdkmetric.InstrumentKindHistogram {
			return stream, matched
		}
		switch agg := stream.Aggregation.(type) {
		case sdkmetric.AggregationExplicitBucketHistogram:
			agg.Boundaries = merge(agg.Boundaries, add)
			stream.Aggregation = agg
		case nil, sdkmetric.AggregationDefault:
			stream.Aggregation = sdkmetric.AggregationExplicitBucketHistogram{Boundaries: merge(boundaries(i), add)}
		}
		return stream, true
	}
}

// boundaries stands in for an instrument's advisory boundaries, which a view
// can't see and would take away.
func boundaries(i sdkmetric.Instrument) []float64 {
	switch {
	case i.Name == "db.client.operation.duration":
		return semconvDatabase
	case i.Unit == "s":
		return semconvSeconds
	}
	return sdkmetric.DefaultAggregationSelector(i.Kind).(sdkmetric.AggregationExplicitBucketHistogram).Boundaries
}

// created is the set of instruments that the View has seen, and of what rules have
// found in a collection without it: metrics of a Producer, such as a bridge.
type created struct {
	watched atomic.Bool
	names   sync.Map
}

// observed reports whether a metric's series may begin anywhere: an observable
// counter shows what somebody else has counted, a synchronous one begins at zero.
func (c *created) observed(name string) bool {
	kind, seen := c.names.Load(name)
	return !seen || (kind != sdkmetric.InstrumentKindCounter && kind != sdkmetric.InstrumentKindHistogram)
}

// has reports whether an instrument was created, and whether that is known.
func (c *created) has(name string) (yes, known bool) {
	_, yes = c.names.Load(name)
	return yes, c.watched.Load()
}

// note takes note of a metric that is in a collection.
func (c *created) note(name string) { c.names.LoadOrStore(name, sdkmetric.InstrumentKind(0)) }
