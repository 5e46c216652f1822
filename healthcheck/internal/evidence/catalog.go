// Package evidence makes readings of collections: collection → series → groups → windows →
// readings.
//
// In: one [Catalog] at a time, by [Sampler.Sample], from one goroutine. Out: the last
// [Reading], immutable, to any goroutine, without a lock. The one order that it takes is
// [Sampler.Forget]. It knows no role, no probe, no state and no clock; it starts no goroutine
// and collects nothing; whatever the data, it returns a problem and never panics.
package evidence

import "go.opentelemetry.io/otel/sdk/metric/metricdata"

// catalog is one collection, by metric name. The same name may come from several
// scopes.
type Catalog map[string][]metricdata.Metrics

func NewCatalog(rm *metricdata.ResourceMetrics) Catalog {
	c := Catalog{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			c[m.Name] = append(c[m.Name], m)
		}
	}
	return c
}
