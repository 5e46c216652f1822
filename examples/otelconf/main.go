// Command otelconf is a service with an SDK that a file configures: otel.yaml, or the file in
// OTEL_CONFIG_FILE.
//
// The Monitor's view comes before the views of the file. If two views match an instrument, the
// first wins. So the file's views have no effect on a histogram with a limit in a rule. Pass such a
// view to Monitor.View, like bounded. Views in the file must not rename or drop a
// metric that a rule reads.
package main

import (
	"context"
	"database/sql"
	_ "embed"
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
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/contrib/otelconf"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
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
	config, err := otelconf.ParseYAML(file)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	reader, err := otelprom.New(otelprom.WithRegisterer(registry))
	if err != nil {
		return err
	}
	sdk, err := otelconf.NewSDK(
		otelconf.WithOpenTelemetryConfiguration(*config),
		otelconf.WithMeterProviderOptions(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View(bounded))),
	)
	if err != nil {
		return err
	}
	defer func() { // exports the final state
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := sdk.Shutdown(ctx); err != nil {
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
	handler := otelhttp.NewHandler(app, "",
		otelhttp.WithMeterProvider(sdk.MeterProvider()), otelhttp.WithTracerProvider(sdk.TracerProvider()), otelhttp.WithPropagators(sdk.Propagator()))
	pipeline := healthcheck.Pipeline{Reader: reader, MeterProvider: sdk.MeterProvider(), TracerProvider: sdk.TracerProvider()}
	if err := health.StartWith(ctx, pipeline); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	// Outside of otelhttp, so probes don't count as requests.
	return health.Serve(&http.Server{Handler: health.Wrap(mux), ReadHeaderTimeout: 5 * time.Second}, l)
}

//go:embed otel.yaml
var file []byte

// bounded drops server.address and server.port. They come from the client's Host header, and
// made-up hosts would fill the instrument up to its cardinality limit.
var bounded = sdkmetric.NewView(
	sdkmetric.Instrument{Name: "http.server.request.duration"},
	sdkmetric.Stream{AttributeFilter: attribute.NewDenyKeysFilter(semconv.ServerAddressKey, semconv.ServerPortKey)},
)
