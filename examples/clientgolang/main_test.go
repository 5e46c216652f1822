package main

import (
	"strings"
	"testing"

	"github.com/otelhealth/otelhealth/examples/internal/story"
)

func TestService(t *testing.T) {
	story.Web(t, serve, func(s *story.Service) {
		all := s.Metrics()
		if n := all["orders_duration_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); n != 21 {
			t.Errorf("%d orders, want 21", n)
		}
		for name, family := range all { // one registry, and each family in it once
			if strings.HasPrefix(name, "orders_") && (name != "orders_duration_seconds" || len(family.Metric) != 1) {
				t.Errorf("%s: %v", name, family)
			}
		}
	})
}
