package story

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// Collector receives OTLP over HTTP and keeps the last export.
type Collector struct {
	URL string

	last atomic.Pointer[collectorpb.ExportMetricsServiceRequest]
}

// NewCollector starts a collector, and points the OTEL_* variables to it.
func NewCollector(t *testing.T) *Collector {
	c := Collect(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
	return c
}

// Collect starts one for another process.
func Collect(t *testing.T) *Collector {
	c := &Collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		export := new(collectorpb.ExportMetricsServiceRequest)
		if err := proto.Unmarshal(body, export); err != nil || r.URL.Path != "/v1/metrics" {
			t.Errorf("%s: %v", r.URL.Path, err)
			return
		}
		c.last.Store(export)
	}))
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// metrics returns the metrics of one name in the last export.
func (c *Collector) metrics(name string) (found []*metricspb.Metric) {
	for _, rm := range c.last.Load().GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if m.GetName() == name {
					found = append(found, m)
				}
			}
		}
	}
	return found
}

// States returns the states of a probe in the last export. There must be one.
func (c *Collector) States(probe string) (states []string) {
	for _, m := range c.metrics("health.probe.status") {
		for _, p := range m.GetSum().GetDataPoints() {
			if attribute(p.Attributes, "health.probe.name") == probe && p.GetAsInt() == 1 {
				states = append(states, attribute(p.Attributes, "health.probe.state"))
			}
		}
	}
	return states
}

// Requests returns the counts in http.server.request.duration by http.route.
func (c *Collector) Requests() map[string]uint64 {
	counts := map[string]uint64{}
	for _, m := range c.metrics("http.server.request.duration") {
		for _, p := range m.GetHistogram().GetDataPoints() {
			counts[attribute(p.Attributes, "http.route")] += p.GetCount()
		}
	}
	return counts
}

func attribute(all []*commonpb.KeyValue, key string) string {
	for _, kv := range all {
		if kv.GetKey() == key {
			return kv.GetValue().GetStringValue()
		}
	}
	return ""
}

// Boundaries returns the bucket boundaries of a histogram in the last export.
func (c *Collector) Boundaries(name string) (bounds []float64) {
	for _, m := range c.metrics(name) {
		for _, p := range m.GetHistogram().GetDataPoints() {
			bounds = p.GetExplicitBounds()
		}
	}
	return bounds
}
