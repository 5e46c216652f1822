// Command clientgolang is a service with metrics of client_golang, and without an OpenTelemetry
// provider. Rules use the names on /metrics. /metrics also shows health_*.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "localhost:8000")
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(ctx, l, db, 10*time.Second); err != nil {
		log.Fatal(err)
	}
}

// serve serves until ctx ends. Then /ready answers 503, and the server accepts requests for the
// drain delay.
func serve(ctx context.Context, l net.Listener, db *sql.DB, drain time.Duration) error {
	reg := prometheus.NewRegistry() // for the default registry, give nil to promhealth.Start
	latency := promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Duration of requests.", Buckets: prometheus.DefBuckets,
	}, []string{"code", "method"})

	health := healthcheck.New(healthcheck.Config{
		Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		Rules: []rule.Rule{
			{Name: "latency", Value: rule.Quantile(.99, "http_request_duration_seconds"), Fail: rule.Above(500 * time.Millisecond)},
		},
		DrainDelay: drain,
	})
	if err := promhealth.Start(ctx, health, reg); err != nil {
		return err
	}

	app := http.NewServeMux()
	app.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		var state string
		if err := db.QueryRowContext(r.Context(), "SELECT state FROM orders WHERE id = $1", r.PathValue("id")).Scan(&state); err != nil {
			http.Error(w, "no order", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "order %s: %s", r.PathValue("id"), state)
	})
	mux := http.NewServeMux() // not measured, because scrapes and probes must not count as requests
	mux.Handle("/", promhttp.InstrumentHandlerDuration(latency, app))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return health.Serve(&http.Server{Handler: health.Wrap(mux), ReadHeaderTimeout: 5 * time.Second}, l)
}
