package migrating

import (
	"context"
	"net/http"
	"time"

	gosundheit "github.com/AppsFlyer/go-sundheit"
	"github.com/AppsFlyer/go-sundheit/checks"
	sundheithttp "github.com/AppsFlyer/go-sundheit/http"

	"github.com/otelhealth/otelhealth/healthcheck"
)

func sundheitBefore(d deps) (http.Handler, error) {
	h := gosundheit.New()
	database, err := checks.NewPingCheck("database", d.db)
	if err != nil {
		return nil, err
	}
	if err := h.RegisterCheck(database, gosundheit.ExecutionPeriod(10*time.Second), gosundheit.ExecutionTimeout(2*time.Second)); err != nil {
		return nil, err
	}
	search := &checks.CustomCheck{CheckName: "search", CheckFunc: func(ctx context.Context) (any, error) { return nil, d.search(ctx) }}
	if err := h.RegisterCheck(search, gosundheit.ExecutionPeriod(10*time.Second), gosundheit.InitialDelay(time.Second)); err != nil {
		return nil, err
	}
	return sundheithttp.HandleHealthJSON(h), nil
}

func sundheitAfter(d deps) healthcheck.Config {
	return healthcheck.Config{Checks: []healthcheck.Check{
		{Name: "database", Func: d.db.PingContext, Interval: 10 * time.Second},
		{Name: "search", Func: d.search, Interval: 10 * time.Second},
	}}
}
