package migrating

import (
	"context"
	"net/http"
	"time"

	heptio "github.com/heptiolabs/healthcheck"

	"github.com/otelhealth/otelhealth/healthcheck"
)

func heptiolabsBefore(d deps) http.Handler {
	h := heptio.NewHandler() // /live and /ready
	h.AddLivenessCheck("goroutines", heptio.GoroutineCountCheck(1000))
	h.AddReadinessCheck("database", heptio.DatabasePingCheck(d.db, 2*time.Second))
	search := func() error { return d.search(context.Background()) }
	h.AddReadinessCheck("search", heptio.Async(heptio.Timeout(search, 2*time.Second), 10*time.Second))
	return h
}

func heptiolabsAfter(d deps) []healthcheck.Check {
	return []healthcheck.Check{
		{Name: "goroutines", Role: healthcheck.Vital, Limit: healthcheck.Last("go.goroutine.count").AtMost(1000)},
		{Name: "database", Role: healthcheck.Core, Func: d.db.PingContext},
		{Name: "search", Role: healthcheck.Core, Func: d.search},
	}
}
