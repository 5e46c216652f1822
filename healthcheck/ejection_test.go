package healthcheck

import (
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestEjection: the visible effects of an ejection. internal/judge and internal/memory test its arithmetic.
func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name = "http.server.request.duration"
		k := newKit(t, ofRules(rule.Rule{Name: "latency", OnFail: NotReady, Value: rule.Quantile(.99, name), Fail: rule.Above(500 * time.Millisecond)}))
		requests, err := k.provider.Meter("test").Float64Histogram(name, metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		// Record between two collections. At the instant of a collection, the requests of a second
		// fall into it or into the next one, by chance. Two seconds in one collection look like an
		// overload.
		wait(500 * time.Millisecond)
		second := func(took float64) {
			for range 20 {
				requests.Record(t.Context(), took)
			}
			wait(time.Second)
		}
		for range 35 {
			second(.1)
		}
		out := 0
		for code := 200; code == 200 && out < 60; out++ {
			second(2)
			code, _ = k.get("/ready")
		}
		if out < 10 || out > 45 {
			t.Errorf("ejected after %d s, want the notice of 10 s to 40 s", out)
		}
		k.want("/ready", 503, verdict.Fail)
		k.want("/health", 200, verdict.Pass)
		wait(22 * time.Second) // 30 s less 20 %, and the time to notice
		k.want("/ready", 503, verdict.Fail)
		wait(14 * time.Second)
		k.want("/ready", 200, verdict.Warn)
		wait(76 * time.Second)
		k.want("/ready", 200, verdict.Warn)
		wait(15 * time.Second)
		k.want("/ready", 200, verdict.Pass)
		k.state("latency", verdict.Pass)
	})
}

// TestEjectionsOfInstances: instances with one configuration are ejected at different times.
func TestEjectionsOfInstances(t *testing.T) {
	all := map[int]bool{}
	for _, instance := range []string{"a", "b", "c", "d"} {
		j := jitter(instance, "latency")
		if j < 0 || j >= 1 || j != jitter(instance, "latency") {
			t.Errorf("%s: %v is not the same from 0 to 1 each time", instance, j)
		}
		all[int(j*10)] = true
	}
	if len(all) < 3 {
		t.Errorf("%d of 10 parts of the time are taken by 4 instances, want 3 or more", len(all))
	}
}
