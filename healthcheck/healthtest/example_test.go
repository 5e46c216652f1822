package healthtest_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

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

// A test of a rule. In your own file it is a function TestLatency(t *testing.T).
func ExampleRun() {
	test := func(t *testing.T) {
		healthtest.Run(t, healthcheck.Config{Rules: rules}, func(t *healthtest.T) {
			healthtest.Record(t, 20, "delivery.duration", 3*time.Second)
			t.Want(time.Second, "latency", verdict.Fail, "p95")
			t.WantReady(0, verdict.Warn) // a rule does not take the instance out
			t.Want(2*time.Minute, "latency", verdict.Pass, "")
		})
	}
	fmt.Println(passes(test))
	// Output:
	// true
}

// A duration is recorded in seconds, a number without a unit.
func ExampleRecord() {
	test := func(t *testing.T) {
		healthtest.Run(t, healthcheck.Config{Rules: rules}, func(t *healthtest.T) {
			healthtest.Record(t, 1, "queue.length", 81)
			healthtest.Record(t, 20, "delivery.duration", 200*time.Millisecond, attribute.String("route", "/pay"))
			t.Want(time.Second, "queue", verdict.Fail, "81")
			t.Want(0, "latency", verdict.Pass, "")
		})
	}
	fmt.Println(passes(test))
	// Output:
	// true
}

// passes runs a test without go test.
func passes(test func(*testing.T)) bool {
	defer func(stdout *os.File) { os.Stdout = stdout }(os.Stdout)
	os.Stdout = nil // or go test -v would print it
	return testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "Test", F: test}})
}
