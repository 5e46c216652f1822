package migrating

import (
	"context"
	"net/http"
	"time"

	"github.com/InVisionApp/go-health/v2"
	"github.com/InVisionApp/go-health/v2/checkers"
	"github.com/InVisionApp/go-health/v2/handlers"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// searchChecker implements go-health's interface around a function.
type searchChecker struct{ deps }

func (s searchChecker) Status() (any, error) { return nil, s.search(context.Background()) }

func invisionBefore(d deps) (http.Handler, error) {
	database, err := checkers.NewSQL(&checkers.SQLConfig{Pinger: d.db})
	if err != nil {
		return nil, err
	}
	h := health.New()
	if err := h.AddChecks([]*health.Config{
		{Name: "database", Checker: database, Interval: 2 * time.Second, Fatal: true},
		{Name: "search", Checker: searchChecker{d}, Interval: 10 * time.Second},
	}); err != nil {
		return nil, err
	}
	return handlers.NewJSONHandlerFunc(h, nil), h.Start()
}

func invisionAfter(d deps) healthcheck.Config {
	return healthcheck.Config{Checks: []healthcheck.Check{
		{Name: "database", Func: d.db.PingContext, Interval: 2 * time.Second}, // Fatal
		{Name: "search", Func: d.search, OnFail: healthcheck.WarnOnly},
	}}
}
