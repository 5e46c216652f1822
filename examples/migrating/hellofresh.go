package migrating

import (
	"net/http"
	"time"

	"github.com/hellofresh/health-go/v5"

	"github.com/otelhealth/otelhealth/healthcheck"
)

func hellofreshBefore(d deps) (http.Handler, error) {
	h, err := health.New(
		health.WithComponent(health.Component{Name: "orders", Version: "v1.2.3"}),
		health.WithChecks(
			health.Config{Name: "database", Timeout: 2 * time.Second, Check: d.db.PingContext},
			health.Config{Name: "search", Timeout: 2 * time.Second, SkipOnErr: true, Check: d.search},
		))
	if err != nil {
		return nil, err
	}
	return h.Handler(), nil
}

func hellofreshAfter(d deps) healthcheck.Config {
	return healthcheck.Config{Checks: []healthcheck.Check{
		{Name: "database", Func: d.db.PingContext},
		{Name: "search", Func: d.search, OnFail: healthcheck.WarnOnly}, // SkipOnErr
	}}
}
