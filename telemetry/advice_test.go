package telemetry

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// boundariesOf returns the boundaries of a histogram.
func boundariesOf(t *testing.T, tel *Telemetry, name string) []float64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := tel.Reader.(interface {
		Collect(context.Context, *metricdata.ResourceMetrics) error
	}).Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name != name {
				continue
			}
			switch d := m.Data.(type) {
			case metricdata.Histogram[float64]:
				return d.DataPoints[0].Bounds
			case metricdata.Histogram[int64]:
				return d.DataPoints[0].Bounds
			}
		}
	}
	t.Fatalf("no histogram %s", name)
	return nil
}

// TestOwnBoundaries: the limit of a rule is added to the boundaries that a histogram was created
// with, and does not replace them.
func TestOwnBoundaries(t *testing.T) {
	for name, views := range map[string][]sdkmetric.View{
		"without views": nil,
		"general view":  {sdkmetric.NewView(sdkmetric.Instrument{Name: "*"}, sdkmetric.Stream{})},
	} {
		t.Run(name, func(t *testing.T) {
			health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
				{Name: "jobs", Value: rule.Quantile(.9, "job.duration"), Fail: rule.Above(20 * time.Minute)},
				{Name: "sizes", Value: rule.Quantile(.9, "job.size"), Fail: rule.Above(70)},
			}})
			tel, _ := start(t, Config{Health: health, Views: views}, nil)
			meter := tel.MeterProvider.Meter("orders")
			jobs, err := meter.Float64Histogram("job.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(60, 300, 900, 1800))
			if err != nil {
				t.Fatal(err)
			}
			sizes, err := meter.Int64Histogram("job.size", metric.WithExplicitBucketBoundaries(50, 100))
			if err != nil {
				t.Fatal(err)
			}
			others, err := meter.Float64Histogram("other.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1, 2))
			if err != nil {
				t.Fatal(err)
			}
			jobs.Record(t.Context(), 100)
			sizes.Record(t.Context(), 60)
			others.Record(t.Context(), 1)
			for metric, want := range map[string][]float64{
				"job.duration":   {60, 300, 900, 1200, 1800},
				"job.size":       {50, 70, 100},
				"other.duration": {1, 2},
			} {
				if got := boundariesOf(t, tel, metric); !slices.Equal(got, want) {
					t.Errorf("%s: %v; want %v", metric, got, want)
				}
			}
		})
	}
}
