package rules

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/healthtest"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

func TestLatency(t *testing.T) {
	healthtest.Run(t, config, func(t *healthtest.T) {
		healthtest.Record(t, 20, "delivery.duration", 3*time.Second)
		t.Want(time.Second, "latency", verdict.Fail, "p95")
	})
}
