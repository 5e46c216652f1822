package migrating

import (
	"context"
	"net/http"
	"time"

	heptio "github.com/heptiolabs/healthcheck"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

func heptiolabsBefore(d deps) http.Handler {
	h := heptio.NewHandler() // /live and /ready
	h.AddLivenessCheck("goroutines", heptio.GoroutineCountCheck(1000))
	h.AddReadinessCheck("database", heptio.DatabasePingCheck(d.db, 2*time.Second))
	search := func() error { return d.search(context.Background()) }
	h.AddReadinessCheck("search", heptio.Async(heptio.Timeout(search, 2*time.Second), 10*time.Second))
	return h
}

func heptiolabsAfter(d deps) healthcheck.Config {
	return healthcheck.Config{
		Checks: []healthcheck.Check{
			{Name: "database", Func: d.db.PingContext},
			{Name: "search", Func: d.search},
		},
		Rules: []rule.Rule{
			{Name: "goroutines", Value: rule.Last("go.goroutine.count"), Fail: rule.Above(1000), OnFail: healthcheck.Restart},
		},
	}
}
