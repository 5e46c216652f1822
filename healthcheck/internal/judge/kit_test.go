package judge

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// newRule makes the judge of a rule. If ejects is set, the rule may eject the instance.
func newRule(r rule.Rule, ejects bool, began time.Time, jitter float64) (*Rule, *evidence.Sampler) {
	q := &query.Rule{
		Indicator: query.Indicator(r.Value).With(r.Window, r.MinEvents, r.Per),
		Bounds:    query.Bounds(query.Limit(r.Fail), query.Limit(r.Warn)),
	}
	s := evidence.NewSampler(q, ejects && q.Indicator.Windowed(), func(string) bool { return false })
	return NewRule(q, r.For, r.KeepFor, s, func(string) Creation { return NotKnown }, began, jitter), s
}

func gauge(points ...metricdata.DataPoint[float64]) metricdata.Gauge[float64] {
	return metricdata.Gauge[float64]{DataPoints: points}
}

func point(v float64, kv ...attribute.KeyValue) metricdata.DataPoint[float64] {
	return metricdata.DataPoint[float64]{Attributes: attribute.NewSet(kv...), Value: v}
}

// latency is a histogram in seconds, with measurements up to .5 and beyond.
func latency(good, bad uint64) metricdata.Histogram[float64] {
	return metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.HistogramDataPoint[float64]{
		{Bounds: []float64{.5}, BucketCounts: []uint64{good, bad}, Count: good + bad}}}
}

// collection is one of the metric m.
func collection(unit string, data metricdata.Aggregation) evidence.Catalog {
	return evidence.Catalog{"m": {{Name: "m", Unit: unit, Data: data}}}
}
