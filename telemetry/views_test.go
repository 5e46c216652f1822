package telemetry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// TestGeneralViews: a view of many instruments does not give a client's Host header back, nor the
// instruments that are dropped, and keeps its own settings.
func TestGeneralViews(t *testing.T) {
	for name, view := range map[string]sdkmetric.View{
		"all":        sdkmetric.NewView(sdkmetric.Instrument{Name: "*"}, sdkmetric.Stream{}),
		"a part":     sdkmetric.NewView(sdkmetric.Instrument{Name: "http.server.*"}, sdkmetric.Stream{}),
		"an end":     sdkmetric.NewView(sdkmetric.Instrument{Name: "*duration"}, sdkmetric.Stream{}),
		"histograms": sdkmetric.NewView(sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram}, sdkmetric.Stream{}),
		"buckets": sdkmetric.NewView(sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram},
			sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{3}}}),
		"a filter": sdkmetric.NewView(sdkmetric.Instrument{Name: "*"}, sdkmetric.Stream{AttributeFilter: attribute.NewDenyKeysFilter("url.scheme")}),
	} {
		t.Run(name, func(t *testing.T) {
			tel, _ := start(t, Config{Views: []sdkmetric.View{view}}, nil)
			h := tel.Instrument(http.NotFoundHandler())
			for n := range 50 {
				r := httptest.NewRequest("GET", "/", nil)
				r.Host = fmt.Sprint("hunter2-", n)
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			if got := count(t, tel); len(got) != 1 || got[" 404"] != 50 {
				t.Errorf("series: %v", got)
			}
			body := scrape(t, tel)
			if strings.Contains(body, "hunter2") || strings.Contains(body, "http_server_request_body_size") {
				t.Error("the Host header or a dropped instrument is on /metrics")
			}
			if buckets := strings.Contains(body, `http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="404",otel_scope_name`) &&
				strings.Contains(body, `le="3.0"`); buckets != (name == "buckets") {
				t.Errorf("buckets of the view: %v", buckets)
			}
			requests := body[strings.Index(body, "\nhttp_server_request_duration_seconds_count"):]
			if kept := strings.Contains(strings.SplitN(requests[1:], "\n", 2)[0], "url_scheme"); kept == (name == "a filter") {
				t.Errorf("url.scheme is kept: %v", kept)
			}
		})
	}
}

// TestOneViewWithoutHealth: an instrument takes its first view also if there is no Monitor.
func TestOneViewWithoutHealth(t *testing.T) {
	tel, _ := start(t, Config{Views: []sdkmetric.View{sdkmetric.NewView(sdkmetric.Instrument{Name: requestDuration}, sdkmetric.Stream{Name: "http.latency"})}}, nil)
	tel.Instrument(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if body := scrape(t, tel); !strings.Contains(body, "http_latency_seconds") || strings.Contains(body, "http_server_request_duration_seconds") {
		t.Error("the renamed histogram is there under both names, or not at all")
	}
}
