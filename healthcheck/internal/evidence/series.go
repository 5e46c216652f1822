package evidence

import (
	"fmt"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// series is one data point of any Go type.
type series struct {
	Attrs  attribute.Set
	Value  float64
	counts []uint64  // of a histogram
	bounds []float64 // of a histogram
}

// shape must be the same for all metrics of one name.
type shape struct {
	kind string
	unit string
}

// Points returns the kind and the data points of one metric.
func Points(data metricdata.Aggregation) (kind string, points []series, err error) {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return "gauge", plain(d.DataPoints), nil
	case metricdata.Gauge[float64]:
		return "gauge", plain(d.DataPoints), nil
	case metricdata.Sum[int64]:
		return sum(d)
	case metricdata.Sum[float64]:
		return sum(d)
	case metricdata.Histogram[int64]:
		return histogram(d)
	case metricdata.Histogram[float64]:
		return histogram(d)
	case metricdata.ExponentialHistogram[int64]:
		return exponential(d)
	case metricdata.ExponentialHistogram[float64]:
		return exponential(d)
	}
	return "", nil, fmt.Errorf("data of type %T can't be judged", data)
}

func plain[N int64 | float64](dps []metricdata.DataPoint[N]) []series {
	out := make([]series, len(dps))
	for i, p := range dps {
		out[i] = series{Attrs: p.Attributes, Value: float64(p.Value)}
	}
	return out
}

func sum[N int64 | float64](d metricdata.Sum[N]) (string, []series, error) {
	kind := "up-down counter"
	if d.IsMonotonic {
		kind = "counter"
	}
	return kind, plain(d.DataPoints), cumulative(d.Temporality)
}

func histogram[N int64 | float64](d metricdata.Histogram[N]) (string, []series, error) {
	out := make([]series, len(d.DataPoints))
	for i, p := range d.DataPoints {
		out[i] = series{Attrs: p.Attributes, Value: float64(p.Count), counts: p.BucketCounts, bounds: p.Bounds}
	}
	return "histogram", out, cumulative(d.Temporality)
}

func exponential[N int64 | float64](d metricdata.ExponentialHistogram[N]) (string, []series, error) {
	out := make([]series, len(d.DataPoints))
	for i, p := range d.DataPoints {
		out[i] = series{Attrs: p.Attributes, Value: float64(p.Count)}
	}
	return "exponential histogram", out, cumulative(d.Temporality)
}

func cumulative(t metricdata.Temporality) error {
	if t != metricdata.CumulativeTemporality {
		return errDelta
	}
	return nil
}

func infinite(v float64) bool { return !query.Finite(v) }

var errDelta = fmt.Errorf("temporality is not cumulative: add a cumulative reader to the MeterProvider, such as sdkmetric.NewManualReader(), and give it to StartWith")
