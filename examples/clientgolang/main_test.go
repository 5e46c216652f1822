package main

import (
	"testing"

	"github.com/otelhealth/otelhealth/examples/internal/story"
)

func TestService(t *testing.T) {
	story.Web(t, serve, func(s *story.Service) {
		n := uint64(0)
		for _, series := range s.Metrics()["http_request_duration_seconds"].GetMetric() {
			n += series.GetHistogram().GetSampleCount()
		}
		if n != 22 { // no probe and no scrape
			t.Errorf("%d requests, want 22", n)
		}
	})
}
