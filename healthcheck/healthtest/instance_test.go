package healthtest

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestInstance: results that depend on the instance, such as the time of an ejection, are the same
// on every machine.
func TestInstance(t *testing.T) {
	slow := rule.Rule{Name: "latency", Value: rule.Quantile(.95, "delivery.duration"), Fail: rule.Above(2 * time.Second), OnFail: healthcheck.NotReady}
	var ejected []time.Duration
	for _, host := range []string{"a", "b"} {
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id="+host)
		Run(t, healthcheck.Config{Rules: []rule.Rule{slow}}, func(t *T) {
			for range 150 { // its usual traffic
				Record(t, 5, "delivery.duration", time.Second)
				t.WantReady(time.Second, verdict.Pass)
			}
			began := time.Now()
			for t.monitor.Verdict().Readiness.State != verdict.Fail {
				if time.Since(began) > time.Minute {
					t.Fatal("it is not ejected")
				}
				Record(t, 5, "delivery.duration", 3*time.Second)
				t.pass(time.Second)
			}
			ejected = append(ejected, time.Since(began))
		})
	}
	if ejected[0] != ejected[1] {
		t.Errorf("ejected after %v; want the same everywhere", ejected)
	}
}
