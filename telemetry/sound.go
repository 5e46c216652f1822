package telemetry

import (
	"fmt"
	"math"
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// soundScopes returns the metrics of a Producer without the malformed ones, and the fault of the first of
// these. One malformed metric would make /metrics empty, and every export fail.
func soundScopes(scopes []metricdata.ScopeMetrics) ([]metricdata.ScopeMetrics, *fault) {
	var failed *fault
	for n := range scopes {
		for _, m := range scopes[n].Metrics {
			if problem := malformed(m.Data); problem != "" && failed == nil {
				failed = &fault{how: "error", text: fmt.Sprintf("returns %s, which is left out because it %s", guard.Cut(m.Name), problem)}
			}
		}
	}
	if failed == nil {
		return scopes, nil
	}
	sound := slices.Clone(scopes) // the Producer may keep its own
	for n := range sound {
		sound[n].Metrics = slices.DeleteFunc(slices.Clone(sound[n].Metrics), func(m metricdata.Metrics) bool { return malformed(m.Data) != "" })
	}
	return sound, failed
}

// malformed returns why data can't be exported; empty if it can.
func malformed(data metricdata.Aggregation) string {
	switch d := data.(type) {
	case metricdata.Gauge[int64], metricdata.Gauge[float64], metricdata.Summary:
		return ""
	case metricdata.Sum[int64]:
		return badTemporality(d.Temporality)
	case metricdata.Sum[float64]:
		return badTemporality(d.Temporality)
	case metricdata.Histogram[int64]:
		return badHistogram(d)
	case metricdata.Histogram[float64]:
		return badHistogram(d)
	case metricdata.ExponentialHistogram[int64]:
		return badTemporality(d.Temporality)
	case metricdata.ExponentialHistogram[float64]:
		return badTemporality(d.Temporality)
	}
	return fmt.Sprintf("has data of type %T", data)
}

func badTemporality(t metricdata.Temporality) string {
	if t != metricdata.CumulativeTemporality && t != metricdata.DeltaTemporality {
		return "is neither cumulative nor delta"
	}
	return ""
}

func badHistogram[N int64 | float64](h metricdata.Histogram[N]) string {
	for n := range h.DataPoints {
		p := &h.DataPoints[n]
		if len(p.BucketCounts) != len(p.Bounds)+1 && len(p.BucketCounts)+len(p.Bounds) > 0 {
			return fmt.Sprintf("has %d counts for %d bounds", len(p.BucketCounts), len(p.Bounds))
		}
		for b := range p.Bounds {
			if math.IsNaN(p.Bounds[b]) || b > 0 && p.Bounds[b-1] >= p.Bounds[b] {
				return "has bounds that do not increase"
			}
		}
	}
	return badTemporality(h.Temporality)
}
