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

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	_ "github.com/otelhealth/otelhealth/examples/internal/faultdb"
	"github.com/otelhealth/otelhealth/healthcheck"
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
	health := healthcheck.New(healthcheck.Config{
		Checks: []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		Rules:  []rule.Rule{{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)}},
	})
	exporter, err := otlpmetrichttp.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	reader := sdkmetric.NewPeriodicReader(exporter)
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))
	defer func() { _ = provider.Shutdown(context.WithoutCancel(ctx)) }()
	http.Handle("/", otelhttp.NewHandler(http.HandlerFunc(app), "orders", otelhttp.WithMeterProvider(provider)))
	if err := health.StartWith(ctx, healthcheck.Pipeline{Reader: reader, MeterProvider: provider}); err != nil {
		log.Fatal(err)
	}
	if err := health.ListenAndServe(&http.Server{Addr: os.Getenv("ADDR"), Handler: health.Wrap(http.DefaultServeMux)}); err != nil {
		log.Fatal(err)
	}
}

func app(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "orders") }
