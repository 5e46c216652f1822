package healthcheck

import "go.opentelemetry.io/otel/sdk/metric/metricdata"

// catalog is one collection, by metric name. The same name may come from several
// scopes.
type catalog map[string][]metricdata.Metrics

func newCatalog(rm *metricdata.ResourceMetrics) catalog {
	c := catalog{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			c[m.Name] = append(c[m.Name], m)
		}
	}
	return c
}
