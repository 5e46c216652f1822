// Package rules shows how to test your own rules. The test records measurements with the real SDK.
// Inside the synctest bubble time is virtual, so the test does not wait.
package rules

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

const delivery = "delivery.duration"

var deliveries = rule.Increase(delivery)

// Rules are the rules of a service that delivers orders from a queue. The service and its tests use
// the same variable.
var Rules = []rule.Rule{
	{Name: "queue", OnFail: healthcheck.NotReady, For: 5 * time.Second,
		Value: rule.Last("queue.length").Where("queue.name", "orders"), Fail: rule.Above(80), Warn: rule.Above(50)},
	{Name: "latency", Window: time.Minute, Value: rule.Quantile(.95, delivery), Fail: rule.Above(2 * time.Second)},
	{Name: "errors", Window: time.Minute, Value: rule.Ratio(deliveries.WhereNot("error.type", ""), deliveries), Per: []string{"carrier"}, Fail: rule.Above(.1)},
	{Name: "import", KeepFor: time.Minute, Value: rule.TimeSince("import.last_success.timestamp"), Fail: rule.Above(10 * time.Minute)},
}
