// Command nethttp is a service on net/http that is judged from its own requests.
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

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
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

// serve serves until ctx ends. Then /ready answers 503, and requests are served for
// the drain delay more.
func serve(ctx context.Context, l net.Listener, db *sql.DB, drain time.Duration) error {
	const duration = "http.server.request.duration"
	requests := healthcheck.Increase(duration, 30*time.Second)
	health := &healthcheck.Monitor{Checks: []healthcheck.Check{
		{Name: "database", Role: healthcheck.Core, Func: db.PingContext, Interval: 2 * time.Second, Timeout: time.Second, Failures: 2, Successes: 1},
		{Name: "latency", Limit: healthcheck.Quantile(duration, .99, 30*time.Second).AtMost(.5)},
		{Name: "errors", Limit: healthcheck.Ratio(requests.Where("http.response.status_code", "500"), requests).AtMost(.05)},
		{Name: "request-age", Limit: healthcheck.Last("http.server.oldest_request.age").AtMost(10)}, // none ends: none is in duration
	}}
	tel, err := telemetry.Start(telemetry.Config{ServiceName: "orders", View: health.View})
	if err != nil {
		return err
	}
	defer tel.Close()          // exports the end of it
	health.Logger = tel.Logger // transitions become log records with OTLP, too

	app := http.NewServeMux()
	app.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		var state string
		if err := db.QueryRowContext(r.Context(), "SELECT state FROM orders WHERE id = $1", r.PathValue("id")).Scan(&state); err != nil {
			http.Error(w, "no order", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "order %s: %s", r.PathValue("id"), state)
	})
	handler := tel.Handler(app) // patterns become http.route
	// After whatever makes the instruments that rules read.
	if err := health.Start(ctx, tel.Reader); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("GET /metrics", tel.Metrics())
	health.Register(mux) // outside of tel.Handler: probes are no requests
	return health.Serve(&http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, l, drain)
}
