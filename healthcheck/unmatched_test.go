package healthcheck

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestUnmatchedFilter: a middleware loses the route, so the rule of a route judges nothing although every
// request fails. The rule gives this as its reason, and warns after a window. When the route is back, the rule
// judges again.
func TestUnmatchedFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := rule.Increase("http.server.request.duration").Where("http.route", "/checkout")
		k := newKit(t, ofRules(rule.Rule{Name: "checkout", OnFail: NotReady, Window: 10 * time.Second,
			Value: rule.Ratio(all.Where("http.response.status_code", "500"), all), Fail: rule.Above(.05)}))
		h, err := k.provider.Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
		if err != nil {
			t.Fatal(err)
		}
		answer := func(seconds int, kv ...attribute.KeyValue) {
			for range seconds {
				for range 10 {
					h.Record(t.Context(), .1, metric.WithAttributes(append(kv, attribute.Int("http.response.status_code", 500))...))
				}
				wait(time.Second)
			}
		}
		k.start()
		wait(2 * time.Second)
		answer(5)
		k.state("checkout", verdict.Pass)
		answer(10)
		k.state("checkout", verdict.Warn)
		k.want("/ready", 200, verdict.Warn)
		r := k.result("checkout")
		if !strings.HasPrefix(r.Reason, "nothing matches http.route=/checkout: ") || !strings.HasSuffix(r.Reason, " events have no http.route, but http.response.status_code") || r.Value != nil {
			t.Errorf("%q, value %v", r.Reason, r.Value)
		}
		answer(60, attribute.String("http.route", "/checkout"))
		if r := k.result("checkout"); strings.Contains(r.Reason, "nothing matches") || r.State == verdict.Pass {
			t.Errorf("the route is back: %s (%s)", r.State, r.Reason)
		}
	})
}
