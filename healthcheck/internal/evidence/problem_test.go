package evidence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// TestProblems: a metric without data gives a reason, also beside one with data. A limit between
// boundaries is judged, and the text names the nearest ones.
func TestProblems(t *testing.T) {
	histogram := evidence.Metric{Name: "m", Data: metricdata.Histogram[float64]{
		Temporality: metricdata.CumulativeTemporality,
		DataPoints:  []metricdata.HistogramDataPoint[float64]{{Bounds: []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, BucketCounts: make([]uint64, 11)}},
	}}
	unbounded := evidence.Metric{Name: "m", Data: metricdata.Histogram[float64]{
		Temporality: metricdata.CumulativeTemporality,
		DataPoints:  []metricdata.HistogramDataPoint[float64]{{BucketCounts: make([]uint64, 1)}},
	}}
	none := evidence.Metric{Name: "m", Description: "can't be read: its collector panicked"}
	for _, c := range []struct {
		metrics []evidence.Metric
		want    string
	}{
		{[]evidence.Metric{none}, "m can't be read: its collector panicked"},
		{[]evidence.Metric{histogram, none}, "m can't be read: its collector panicked"},
		{[]evidence.Metric{{Name: "m"}}, "can't be judged"},
		{[]evidence.Metric{histogram}, "5.5 is not a bucket boundary of m: take one of its own (2, 3, 4, 5, 6, 7, 8, 9), or add it to the buckets"},
		{[]evidence.Metric{unbounded}, "5.5 is not a bucket boundary of m: add it to the buckets"},
	} {
		r := &query.Rule{
			Indicator: query.Indicator{Kind: query.KindQuantile, Metric: "m", Quantile: .9}.With(0, 0, nil),
			Bounds:    []query.Bound{{Edge: query.MaxFail, Number: query.Number{Value: 5.5}}},
		}
		s := evidence.NewSampler(r, false, func(string) bool { return false })
		s.Sample(time.Now(), evidence.Catalog{"m": c.metrics})
		got, _ := s.Reading()
		problem := got.Problem
		if got.Inexact != nil {
			problem = got.Inexact.Problem
		}
		if !strings.Contains(problem, c.want) {
			t.Errorf("%q; want %q", problem, c.want)
		}
	}
}

// TestProblemOnce: if both sides of a ratio read one metric, its problem appears once.
func TestProblemOnce(t *testing.T) {
	none := evidence.Metric{Name: "m", Description: "can't be read"}
	for _, kind := range []query.Kind{query.KindIncrease, query.KindLast} {
		side := query.Indicator{Kind: kind, Metric: "m"}
		r := &query.Rule{
			Indicator: query.Indicator{Kind: query.KindRatio, Num: &side, Den: &side}.With(0, 0, nil),
			Bounds:    []query.Bound{{Edge: query.MaxFail, Number: query.Number{Value: .5}}},
		}
		s := evidence.NewSampler(r, false, func(string) bool { return false })
		s.Sample(time.Now(), evidence.Catalog{"m": {none}})
		if got, _ := s.Reading(); got.Problem != "m can't be read" {
			t.Errorf("%q", got.Problem)
		}
	}
}
