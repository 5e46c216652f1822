// Command ownprovider is a service with its own MeterProvider and OTLP over HTTP. It uses
// healthcheck without telemetry and without gRPC.
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

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhealth/otelhealth/healthcheck"
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
	const duration = "http.server.request.duration"
	health := healthcheck.New(healthcheck.Config{
		Checks:     []healthcheck.Check{{Name: "database", Func: db.PingContext}},
		DrainDelay: drain,
		Rules: []rule.Rule{
			{Name: "latency", Value: rule.Quantile(.99, duration), Fail: rule.Above(500 * time.Millisecond)},
		},
	})
	exporter, err := otlpmetrichttp.New(ctx) // to OTEL_EXPORTER_OTLP_ENDPOINT; it connects later
	if err != nil {
		return err
	}
	reader := sdkmetric.NewPeriodicReader(exporter) // set OTEL_METRIC_EXPORT_INTERVAL=15000, because 60 s are too long for the alerts
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(reader),
		sdkmetric.WithView(health.View(bounded)), // pass your own views to the Monitor's View
		sdkmetric.WithResource(resource.NewSchemaless(semconv.ServiceName("orders"), semconv.ServiceInstanceID(uuid.NewString()))),
	)
	defer func() { // exports the final state
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := reader.Shutdown(ctx); err != nil {
			log.Print(err)
		}
	}()

	app := http.NewServeMux()
	app.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		var state string
		if err := db.QueryRowContext(r.Context(), "SELECT state FROM orders WHERE id = $1", r.PathValue("id")).Scan(&state); err != nil {
			http.Error(w, "no order", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "order %s: %s", r.PathValue("id"), state)
	})
	handler := otelhttp.NewHandler(app, "", otelhttp.WithMeterProvider(provider))
	// Rules read the reader of the exporter, so the collector gets the same values that the rules
	// judge.
	if err := health.StartWith(ctx, healthcheck.Pipeline{Reader: reader, MeterProvider: provider}); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/", handler)
	// Outside of otelhttp, so probes don't count as requests.
	return health.Serve(&http.Server{Handler: health.Wrap(mux), ReadHeaderTimeout: 5 * time.Second}, l)
}

// bounded drops server.address and server.port. They come from the client's Host header, and
// made-up hosts would fill the instrument up to its cardinality limit.
var bounded = sdkmetric.NewView(
	sdkmetric.Instrument{Name: "http.server.request.duration"},
	sdkmetric.Stream{AttributeFilter: attribute.NewDenyKeysFilter(semconv.ServerAddressKey, semconv.ServerPortKey)},
)
