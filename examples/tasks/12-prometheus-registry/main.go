package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb"
	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := sql.Open("faultdb", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	registry := prometheus.NewRegistry()
	latency := promauto.With(registry).NewHistogram(prometheus.HistogramOpts{Name: "orders_duration_seconds", Buckets: []float64{.05, .1, .25, .5, 1, 2.5}})
	health := healthcheck.New(healthcheck.Config{
		Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		Rules:  []rule.Rule{{Name: "latency", Value: rule.Quantile(.99, "orders_duration_seconds"), Fail: rule.Above(500 * time.Millisecond)}},
	})
	if err := promhealth.Start(ctx, health, registry); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		defer prometheus.NewTimer(latency).ObserveDuration()
		app(w, r)
	})
	http.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	if err := health.ListenAndServe(&http.Server{Addr: os.Getenv("ADDR"), Handler: health.Wrap(http.DefaultServeMux)}); err != nil {
		log.Fatal(err)
	}
}

func app(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "orders") }
