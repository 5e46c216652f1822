// Package rules shows how to test the rules of one's own service: what they read is
// recorded with the real SDK, and no time passes outside of the test's bubble.
package rules

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// Checks are those of a service that delivers orders from a queue. It keeps them in a
// function, so that the service and its tests have the same.
func Checks() []healthcheck.Check {
	const delivery = "delivery.duration"
	deliveries := healthcheck.Increase(delivery, time.Minute)
	return []healthcheck.Check{
		{Name: "queue", Role: healthcheck.Core, For: 5 * time.Second,
			Limit: healthcheck.Last("queue.length").Where("queue.name", "orders").AtMost(80).WarnAbove(50)},
		{Name: "latency", Limit: healthcheck.Quantile(delivery, .95, time.Minute).AtMost(2)},
		{Name: "errors", Limit: healthcheck.Ratio(deliveries.WhereNot("error.type", ""), deliveries).Per("carrier").AtMost(.1)},
		{Name: "import", KeepFor: time.Minute, Limit: healthcheck.Age("import.last_success.timestamp").AtMost(600)},
	}
}
