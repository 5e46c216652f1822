package healthtest_test

import (
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/healthtest"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The rules of a service, in its own code.
var rules = []rule.Rule{
	{Name: "latency", Value: rule.Quantile(.95, "delivery.duration"), Window: time.Minute, Fail: rule.Above(2 * time.Second)},
	{Name: "queue", Value: rule.Last("queue.length"), Warn: rule.Above(50), Fail: rule.Above(80)},
}

func TestLatency(t *testing.T) {
	healthtest.Run(t, healthcheck.Config{Rules: rules}, func(t *healthtest.T) {
		healthtest.Record(t, 20, "delivery.duration", 3*time.Second)
		t.Want(time.Second, "latency", verdict.Fail, "")
	})
}

func TestQueue(t *testing.T) {
	healthtest.Run(t, healthcheck.Config{Rules: rules}, func(t *healthtest.T) {
		healthtest.Record(t, 1, "queue.length", 51)
		t.Want(time.Second, "queue", verdict.Warn, "51")
		healthtest.Record(t, 1, "queue.length", 81)
		t.Want(time.Second, "queue", verdict.Fail, "81")
		t.WantReady(0, verdict.Warn) // a rule does not take the instance out
	})
}
