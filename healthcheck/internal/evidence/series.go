package evidence

import (
	"fmt"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// series is one data point of any Go type.
type series struct {
	Attrs  attribute.Set
	Value  float64
	whole  int64     // the value of an integer counter, which is exact beyond 2^53; 0 for others
	start  time.Time // start time that its source gives
	at     time.Time // when its source has read it
	counts []uint64  // of a histogram
	bounds []float64 // of a histogram

	exponential *exponential // of an exponential histogram, whose counts and bounds come from a grid
}

// shape must be the same for all metrics of one name.
type shape struct {
	kind string
	unit string
}

// Points returns the kind and the data points of one metric.
func Points(data metricdata.Aggregation) (kind string, points []series, err error) {
	kind, err = kindOf(data)
	if err == nil {
		each(data, func(p *series) { points = append(points, *p) })
	}
	return kind, points, err
}

// kindOf returns the kind of a metric, or why it can't be judged.
func kindOf(data metricdata.Aggregation) (kind string, err error) {
	switch d := data.(type) {
	case metricdata.Gauge[int64], metricdata.Gauge[float64]:
		return "gauge", nil
	case metricdata.Sum[int64]:
		return sumKind(d.IsMonotonic), cumulative(d.Temporality)
	case metricdata.Sum[float64]:
		return sumKind(d.IsMonotonic), cumulative(d.Temporality)
	case metricdata.Histogram[int64]:
		return "histogram", cumulative(d.Temporality)
	case metricdata.Histogram[float64]:
		return "histogram", cumulative(d.Temporality)
	case metricdata.ExponentialHistogram[int64]:
		return "exponential histogram", cumulative(d.Temporality)
	case metricdata.ExponentialHistogram[float64]:
		return "exponential histogram", cumulative(d.Temporality)
	}
	return "", fmt.Errorf("data of type %T can't be judged", data)
}

func sumKind(monotonic bool) string {
	if monotonic {
		return "counter"
	}
	return "up-down counter"
}

// each visits the data points of one metric. A point is valid during its visit.
func each(data metricdata.Aggregation, visit func(*series)) {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		plain(d.DataPoints, visit)
	case metricdata.Gauge[float64]:
		plain(d.DataPoints, visit)
	case metricdata.Sum[int64]:
		plain(d.DataPoints, visit)
	case metricdata.Sum[float64]:
		plain(d.DataPoints, visit)
	case metricdata.Histogram[int64]:
		histogram(d.DataPoints, visit)
	case metricdata.Histogram[float64]:
		histogram(d.DataPoints, visit)
	case metricdata.ExponentialHistogram[int64]:
		scaled(d.DataPoints, visit)
	case metricdata.ExponentialHistogram[float64]:
		scaled(d.DataPoints, visit)
	}
}

func plain[N int64 | float64](dps []metricdata.DataPoint[N], visit func(*series)) {
	var s series
	for i := range dps {
		p := &dps[i]
		s.Attrs, s.Value, s.start, s.at = p.Attributes, float64(p.Value), p.StartTime, p.Time
		if whole, is := any(p.Value).(int64); is {
			s.whole = whole
		}
		visit(&s)
	}
}

func histogram[N int64 | float64](dps []metricdata.HistogramDataPoint[N], visit func(*series)) {
	var s series
	for i := range dps {
		p := &dps[i]
		s.Attrs, s.Value, s.start, s.at, s.counts, s.bounds = p.Attributes, float64(p.Count), p.StartTime, p.Time, p.BucketCounts, p.Bounds
		visit(&s)
	}
}

func scaled[N int64 | float64](dps []metricdata.ExponentialHistogramDataPoint[N], visit func(*series)) {
	var s series
	var x exponential
	for i := range dps {
		p := &dps[i]
		x = exponentialOf(p)
		s.Attrs, s.Value, s.start, s.at, s.counts, s.bounds, s.exponential = p.Attributes, float64(p.Count), p.StartTime, p.Time, nil, nil, &x
		visit(&s)
	}
}

func cumulative(t metricdata.Temporality) error {
	if t != metricdata.CumulativeTemporality {
		return errDelta
	}
	return nil
}

func infinite(v float64) bool { return !query.Finite(v) }

// wellFormed returns an error if the buckets of a histogram do not fit together.
func (p *series) wellFormed() error {
	if p.exponential != nil {
		if err := p.exponential.wellFormed(); err != nil {
			return err
		}
	}
	if len(p.counts) != len(p.bounds)+1 || !slices.IsSorted(p.bounds) || slices.ContainsFunc(p.bounds, infinite) {
		return fmt.Errorf("the histogram is malformed: %d counts for %d bounds", len(p.counts), len(p.bounds))
	}
	return nil
}

// overflowed reports whether it is the series into which the SDK folds all series beyond its
// cardinality limit.
func (p *series) overflowed() bool {
	v, ok := p.Attrs.Value(overflowKey)
	return ok && v.AsBool()
}

const overflowKey = attribute.Key("otel.metric.overflow")

var errDelta = fmt.Errorf("temporality is not cumulative: give StartWith sdkmetric.NewManualReader(), registered beside your own reader, OpenTelemetry's Prometheus exporter, or the reader of telemetry.Start")
