// Command prometheusonly is a service with client_golang's metrics and no OTLP: it is judged
// from those, and /metrics has them as they were and health_* beside them.
//
// The bridge shows client_golang's registry to the Monitor. Names are as on /metrics. A
// limit on a quantile must be a bucket boundary, since Monitor.View can't add one here,
// and a series must be there from the start: a CounterVec has none until its children
// are made.
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
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
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
	native := prometheus.NewRegistry() // or prometheus.DefaultRegisterer and DefaultGatherer
	latency := promauto.With(native).NewHistogram(prometheus.HistogramOpts{Name: "orders_duration_seconds", Buckets: []float64{.05, .1, .25, .5, 1, 2.5}})

	health := &healthcheck.Monitor{Checks: []healthcheck.Check{
		{Name: "database", Role: healthcheck.Core, Func: db.PingContext, Interval: 2 * time.Second, Timeout: time.Second, Failures: 2, Successes: 1},
		{Name: "latency", Limit: healthcheck.Quantile("orders_duration_seconds", .99, 30*time.Second).AtMost(.5)},
	}}
	own := prometheus.NewRegistry() // one of its own, or the bridge would bridge the bridge
	exporter, err := otelprom.New(otelprom.WithRegisterer(own))
	if err != nil {
		return err
	}
	source := sdkmetric.NewManualReader(sdkmetric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(native))))
	health.MeterProvider = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter), sdkmetric.WithReader(source), sdkmetric.WithView(health.View()))
	if err := health.Start(ctx, source); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		defer func(began time.Time) { latency.Observe(time.Since(began).Seconds()) }(time.Now())
		var state string
		if err := db.QueryRowContext(r.Context(), "SELECT state FROM orders WHERE id = $1", r.PathValue("id")).Scan(&state); err != nil {
			http.Error(w, "no order", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "order %s: %s", r.PathValue("id"), state)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{native, own}, promhttp.HandlerOpts{}))
	health.Register(mux)
	return health.Serve(&http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, l, drain)
}
