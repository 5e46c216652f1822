package healthcheck

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestStartWithoutDatabase: an outage during a roll-out must not make the kubelet
// kill every new pod, so startup and liveness pass however long it takes.
func TestStartWithoutDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		k := newKit(t, ofChecks(Check{Name: "database", Func: func(context.Context) error {
			if down.Load() {
				return errDown
			}
			return nil
		}})).start()
		for range 60 {
			wait(10 * time.Second)
			k.want("/startup", 200, verdict.Pass)
			k.want("/ready", 503, verdict.Fail)
			k.want("/health", 200, verdict.Pass)
		}
		down.Store(false)
		wait(8 * time.Second) // two successes
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestIdleHour: without traffic and work everything passes.
func TestIdleHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const duration = "http.server.request.duration"
		k := newKit(t, ofRules(rule.Rule{Name: "latency", OnFail: NotReady, Value: rule.Quantile(.99, duration), Fail: rule.Above(500 * time.Millisecond)}))
		k.Heartbeat("worker", time.Minute)
		if _, err := k.provider.Meter("test").Float64Histogram(duration, metric.WithUnit("s")); err != nil {
			t.Fatal(err)
		}
		k.start()
		for range 60 {
			wait(time.Minute)
			k.want("/health", 200, verdict.Pass)
			k.want("/ready", 200, verdict.Pass)
		}
	})
}

// TestFullQueueIsNoError: a full queue answers 503 to say "not now". If this counted as an error,
// pods that protect themselves would be ejected.
func TestFullQueueIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const duration = "http.server.request.duration"
		requests := rule.Increase(duration)
		k := newKit(t, ofRules(rule.Rule{Name: "errors", OnFail: NotReady, MinEvents: 100,
			Value: rule.Ratio(requests.Where("http.response.status_code", "500", "502", "504"), requests), Fail: rule.Above(.05)}))
		h, err := k.provider.Meter("test").Float64Histogram(duration, metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		answer := func(code, n int) {
			for range n {
				h.Record(t.Context(), .001, metric.WithAttributes(attribute.Int("http.response.status_code", code)))
			}
		}
		k.start()
		wait(tick / 3)  // so that requests and judgements have different instants
		for range 150 { // longer than four windows
			answer(503, 50)
			answer(202, 1)
			wait(time.Second)
			k.state("errors", verdict.Pass)
		}
		k.want("/ready", 200, verdict.Pass)
		for n := 0; n < 60 && k.Verdict().Results[0].State != verdict.Fail; n++ {
			answer(500, 50)
			wait(time.Second)
		}
		k.state("errors", verdict.Fail) // proves that the rule was judged
	})
}

// TestTwoQueues: together, 100 of 100 and 0 of 900 are 10 % full. Each by itself, one is full.
func TestTwoQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := rule.Ratio(rule.Last("queue.length"), rule.Last("queue.capacity"))
		k := newKit(t, ofRules(
			rule.Rule{Name: "merged", OnFail: NotReady, Value: full, Fail: rule.Above(.8)},
			rule.Rule{Name: "each", OnFail: NotReady, Value: full, Per: []string{"queue.name"}, Fail: rule.Above(.8)}))
		for name, q := range map[string]struct{ length, capacity int }{"mails": {100, 100}, "jobs": {0, 900}} {
			k.Queue(name, q.capacity, func() int { return q.length })
		}
		k.start()
		wait(2 * time.Second)
		k.state("merged", verdict.Pass)
		k.state("each", verdict.Fail)
		k.want("/ready", 503, verdict.Fail)
		merged, each := k.result("merged"), k.result("each")
		if merged.Value == nil || *merged.Value != .1 {
			t.Errorf("without Per: %v; want .1", merged.Value)
		}
		if got := evidence.GroupName(k.current.Load().Checks[1].Finding.Group); got != "queue.name=mails" || each.Value == nil || *each.Value != 1 {
			t.Errorf("with Per: %s is at %v; want queue.name=mails at 1", got, each.Value)
		}
	})
}

// TestOverflowOfTheSDK: over its cardinality limit the real SDK folds series into one without attributes. That one
// may hold all errors or none. So the rule warns, and clients that make up attributes can't take an instance out.
// But certain errors count.
func TestOverflowOfTheSDK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := rule.Increase("answers")
		k := newInstance(t, "a", []sdkmetric.Option{sdkmetric.WithCardinalityLimit(3)}, ofRules(rule.Rule{Name: "errors", OnFail: NotReady,
			Value: rule.Ratio(answers.Where("code", "500"), answers), Fail: rule.Above(.05)}))
		c, err := k.provider.Meter("test").Int64Counter("answers")
		if err != nil {
			t.Fatal(err)
		}
		count := func(user, code string) {
			c.Add(t.Context(), 100, metric.WithAttributes(attribute.String("user", user), attribute.String("code", code)))
		}
		count("a", "200")
		count("b", "200") // one more and the limit is reached
		k.start()
		// The limit applies to health.* too, so ask only the verdict.
		errors := func() verdict.Result { return k.Verdict().Results[0] }
		wait(2 * time.Second)
		if r := errors(); r.State != verdict.Pass {
			t.Fatalf("%s (%s)", r.State, r.Reason)
		}
		for _, user := range []string{"c", "d", "e"} {
			count(user, "500") // every one of them
		}
		wait(2 * time.Second)
		if r := errors(); r.State != verdict.Warn || r.Reason != "can't tell: between 0 and 100 % of at most 5 %; 300 measurements went to the overflow series (cardinality limit)" {
			t.Errorf("%s (%s), want a doubt", r.State, r.Reason)
		}
		if code, _ := k.get("/ready"); code != 200 {
			t.Errorf("/ready %d because of made-up attributes", code)
		}
		count("a", "500") // it has no series yet
		for range 100 {
			count("a", "200")
		}
		wait(2 * time.Second)
		if r := errors(); r.State != verdict.Pass {
			t.Errorf("%s (%s) with few errors for certain", r.State, r.Reason)
		}
	})
}
