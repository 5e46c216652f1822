package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

const (
	prefersDelta     = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta"
	prefersLowMemory = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=lowmemory"
	exponential      = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram"
)

// TestPreferences: with each temporality and aggregation that a variable may ask for, Prometheus behind the
// shipped collector has the same series and counts as the process. Exponential histograms become native ones
// there. Histograms with a limit of a rule keep their buckets.
func TestPreferences(t *testing.T) {
	p, endpoint, _ := startPipeline(t)
	endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint
	for service, env := range map[string]string{"delta": prefersDelta, "lowmemory": prefersLowMemory, "exponential": exponential} {
		t.Run(service, func(t *testing.T) {
			d := startDemo(t, append(soon, env, endpoint, "OTEL_SERVICE_NAME="+service), "-load", "0", "-drain", "0s")
			const count = "http_server_request_duration_seconds_count"
			for _, want := range []float64{20, 40} { // a counter that stood still grows again
				for range 20 {
					d.post()
				}
				servers.Poll(t, fmt.Sprintf("Prometheus has the series of /metrics, and %v requests", want), func() error {
					own, has := d.metrics(), p.query(fmt.Sprintf(`{job=%q, instance!=""}`, service)) // recording rules have no instance
					if a, b := total(own, count), total(has, count); a != want || b != want {
						return fmt.Errorf("requests: %v at /metrics, %v in Prometheus", a, b)
					}
					return difference(identities(native(own, has)), identities(has))
				})
			}
			d.end()
		})
	}
	t.Run("exponential deltas", func(t *testing.T) { // the demo's histograms have boundaries of their own
		many := servers.Start(t, servers.ManySeries(t, ".."), []string{endpoint, prefersDelta, exponential, "OTEL_METRIC_EXPORT_INTERVAL=3600000"})
		if code := many.Wait(); code != 0 {
			t.Fatalf("exit code %d: %s", code, many.Output())
		}
		for query, want := range map[string]string{`count({__name__=~"many_.*"})`: "19000", `sum(histogram_count(many_9))`: "1900"} {
			p.eventually("Prometheus has 19,000 histograms", query, func(got []sample) bool { return len(got) == 1 && got[0].value == want })
		}
	})
}

// native makes one series of each histogram that is a native one in Prometheus.
func native(own, has []sample) (all []sample) {
	names := map[string]bool{}
	for _, s := range has {
		names[s.name] = true
	}
	for _, s := range own {
		base, suffix := s.name, ""
		if n := strings.LastIndex(s.name, "_"); n > 0 {
			base, suffix = s.name[:n], s.name[n:]
		}
		switch {
		case suffix == "_count" && names[base]:
			s.name = base
		case (suffix == "_bucket" || suffix == "_sum") && names[base]:
			continue
		}
		all = append(all, s)
	}
	return all
}

// total adds up the samples of a name.
func total(samples []sample, name string) (sum float64) {
	for _, s := range samples {
		if v, err := strconv.ParseFloat(s.value, 64); err == nil && s.name == name {
			sum += v
		}
	}
	return sum
}
