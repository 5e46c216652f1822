package migrating

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
)

func byHandBefore(d deps) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // at /healthz
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := d.db.PingContext(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
}

func byHandAfter(d deps) healthcheck.Config {
	return healthcheck.Config{
		Checks:        []healthcheck.Check{{Name: "database", Func: d.db.PingContext}},
		ReadinessPath: "/healthz",
	}
}
