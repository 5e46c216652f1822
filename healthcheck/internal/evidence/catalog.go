// Package evidence turns collections into readings: collection → series → groups → windows →
// readings.
//
// In: one [Catalog] at a time, by [Sampler.Sample], from one goroutine. Out: the last [Reading],
// immutable, to any goroutine, without a lock. Its only command is [Sampler.Forget]. It knows no
// role, no probe, no state and no clock. It starts no goroutine and collects nothing. Malformed
// data is a problem in the reading, and never a panic.
package evidence

import (
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Catalog is one collection, by metric name. Several scopes may have metrics of the same name.
type Catalog map[string][]Metric

// A Metric is one metric of a collection, with its scope.
type Metric struct {
	Name        string
	Description string
	Unit        string
	Data        metricdata.Aggregation
	Scope       instrumentation.Scope
}

// NewCatalog sorts a collection by metric name.
func NewCatalog(rm *metricdata.ResourceMetrics) Catalog {
	c := Catalog{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			c[m.Name] = append(c[m.Name], Metric{m.Name, m.Description, m.Unit, m.Data, sm.Scope})
		}
	}
	return c
}
