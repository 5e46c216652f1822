// Package rules shows how to test the rules of one's own service: what they read is
// recorded with the real SDK, and no time passes outside of the test's bubble.
package rules

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

const delivery = "delivery.duration"

var deliveries = rule.Increase(delivery)

// Rules are those of a service that delivers orders from a queue. The service and its tests
// have the same.
var Rules = []rule.Rule{
	{Name: "queue", OnFail: healthcheck.NotReady, For: 5 * time.Second,
		Value: rule.Last("queue.length").Where("queue.name", "orders"), Fail: rule.Above(80), Warn: rule.Above(50)},
	{Name: "latency", Window: time.Minute, Value: rule.Quantile(.95, delivery), Fail: rule.Above(2 * time.Second)},
	{Name: "errors", Window: time.Minute, Value: rule.Ratio(deliveries.WhereNot("error.type", ""), deliveries), Per: []string{"carrier"}, Fail: rule.Above(.1)},
	{Name: "import", KeepFor: time.Minute, Value: rule.TimeSince("import.last_success.timestamp"), Fail: rule.Above(10 * time.Minute)},
}
