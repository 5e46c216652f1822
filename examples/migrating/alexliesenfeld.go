package migrating

import (
	"net/http"
	"time"

	"github.com/alexliesenfeld/health"

	"github.com/otelhealth/otelhealth/healthcheck"
)

func alexliesenfeldBefore(d deps) http.Handler {
	return health.NewHandler(health.NewChecker(
		health.WithCheck(health.Check{Name: "database", Timeout: 2 * time.Second, Check: d.db.PingContext}),
		health.WithPeriodicCheck(15*time.Second, 0, health.Check{Name: "search", MaxContiguousFails: 2, Check: d.search}),
	))
}

func alexliesenfeldAfter(d deps) healthcheck.Config {
	return healthcheck.Config{Checks: []healthcheck.Check{
		{Name: "database", Func: d.db.PingContext},
		{Name: "search", Func: d.search, Interval: 15 * time.Second, FailureThreshold: 2},
	}}
}
