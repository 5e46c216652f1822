// Bucket boundaries of histograms.

package conventions

import (
	"slices"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Seconds are the boundaries that OpenTelemetry's semantic conventions
// give http.server.request.duration and its like, in seconds.
var Seconds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// database are those of db.client.operation.duration, in seconds.
var database = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10}

// Of returns the default boundaries of an instrument. A view can't see the instrument's advisory
// boundaries and removes them, so these replace them.
func Of(i sdkmetric.Instrument) []float64 {
	switch {
	case i.Name == "db.client.operation.duration":
		return database
	case i.Unit == "s":
		return Seconds
	}
	return sdkmetric.DefaultAggregationSelector(i.Kind).(sdkmetric.AggregationExplicitBucketHistogram).Boundaries
}

// Merge is the sorted union of bucket boundaries.
func Merge(bounds, more []float64) []float64 {
	all := append(slices.Clone(bounds), more...)
	slices.Sort(all)
	return slices.Compact(all)
}
