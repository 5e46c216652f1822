package evidence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// BenchmarkSample samples one metric of a thousand series once.
func BenchmarkSample(b *testing.B) {
	const n = 1000
	var histograms []metricdata.HistogramDataPoint[float64]
	var counters []metricdata.DataPoint[int64]
	bounds := []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	for i := range n {
		attrs := attribute.NewSet(attribute.String("http.route", fmt.Sprintf("/route/%d", i/10)), attribute.Int("http.response.status_code", 200+i%10),
			attribute.String("http.request.method", "GET"), attribute.String("url.scheme", "https"))
		counts := make([]uint64, len(bounds)+1)
		for k := range counts {
			counts[k] = uint64(i + k)
		}
		histograms = append(histograms, metricdata.HistogramDataPoint[float64]{Attributes: attrs, Bounds: bounds, BucketCounts: counts, Count: uint64(15 * i)})
		counters = append(counters, metricdata.DataPoint[int64]{Attributes: attrs, Value: int64(i)})
	}
	latency := metricdata.Histogram[float64]{Temporality: cum, DataPoints: histograms}
	requests := metricdata.Sum[int64]{Temporality: cum, IsMonotonic: true, DataPoints: counters}
	in := rule.Increase("m")
	for _, c := range []struct {
		name string
		data metricdata.Aggregation
		rule rule.Rule
	}{
		{"quantile", latency, rule.Rule{Value: rule.Quantile(.99, "m"), Fail: rule.Above(500 * time.Millisecond)}},
		{"quantile by route", latency, rule.Rule{Value: rule.Quantile(.99, "m"), Per: []string{"http.route"}, Fail: rule.Above(500 * time.Millisecond)}},
		{"increase", requests, rule.Rule{Value: in, Fail: rule.Above(1e9)}},
		{"ratio", requests, rule.Rule{Value: rule.Ratio(in.Where("http.response.status_code", "205"), in), Fail: rule.Above(.5)}},
		{"ratio without failures", requests, rule.Rule{Value: rule.Ratio(in.Where("http.response.status_code", "500"), in), Fail: rule.Above(.5)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			unit := "s"
			if c.name == "increase" || strings.HasPrefix(c.name, "ratio") {
				unit = "1"
			}
			catalog := NewCatalog(&metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "m", Unit: unit, Data: c.data}}}}})
			s, at := samplerOf(c.rule), time.Now()
			b.ReportAllocs()
			for b.Loop() {
				at = at.Add(time.Second)
				for i := range n / 10 { // a tenth of the series grow
					histograms[i*10].BucketCounts[3]++
					histograms[i*10].Count++
					counters[i*10].Value++
				}
				s.Sample(at, catalog)
			}
			if r := read(s); r.Problem != "" || len(r.Groups) == 0 {
				b.Fatal(r.Problem)
			}
		})
	}
}
