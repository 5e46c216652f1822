package main

import (
	"context"
	"database/sql"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := sql.Open("faultdb", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	health := healthcheck.New(healthcheck.Config{
		Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		Rules:  []rule.Rule{{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)}},
	})
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "orders", Health: health})
	if err != nil {
		log.Fatal(err)
	}
	defer tel.Close()
	http.Handle("/", tel.Instrument(http.HandlerFunc(app)))
	http.Handle("GET /metrics", tel.MetricsHandler())
	if err := health.ListenAndServe(&http.Server{Addr: os.Getenv("ADDR"), Handler: health.Wrap(http.DefaultServeMux)}); err != nil {
		log.Fatal(err)
	}
}

func app(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }
