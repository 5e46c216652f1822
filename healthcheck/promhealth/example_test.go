package promhealth_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

func Example() {
	requests := promauto.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Duration of requests."}, []string{"code", "method"})
	app := http.NewServeMux()

	health := healthcheck.New(healthcheck.Config{
		Rules: []rule.Rule{{Name: "latency", Value: rule.Quantile(.99, "http_request_duration_seconds"), Fail: rule.Above(500 * time.Millisecond)}},
	})
	if err := promhealth.Start(context.Background(), health, nil); err != nil { // nil: the default registry
		log.Fatal(err)
	}
	defer health.Stop()

	mux := http.NewServeMux() // probes and scrapes stay outside of the middleware
	mux.Handle("/", promhttp.InstrumentHandlerDuration(requests, app))
	mux.Handle("GET /metrics", promhttp.Handler())
	srv := &http.Server{Handler: health.Wrap(mux)}
	defer srv.Close()

	fmt.Println(health.Verdict().Readiness.State)
	// Output: pass
}

func ExampleStart() {
	reg := prometheus.NewRegistry()
	depth := promauto.With(reg).NewGauge(prometheus.GaugeOpts{Name: "queue_depth", Help: "Jobs that wait."})
	depth.Set(95)

	health := healthcheck.New(healthcheck.Config{
		Rules: []rule.Rule{{Name: "queue", Value: rule.Last("queue_depth"), Fail: rule.Above(80)}},
	})
	if err := promhealth.Start(context.Background(), health, reg); err != nil {
		log.Fatal(err)
	}
	defer health.Stop()

	r := health.Verdict().Results[0]
	fmt.Println(r.Name, r.State, r.Reason)
	// Output: queue fail 95 of at most 80
}

func ExampleJoin() {
	reg := prometheus.NewRegistry()
	for _, service := range []string{"orders", "invoices"} {
		health := healthcheck.New(healthcheck.Config{})
		labelled := prometheus.WrapRegistererWith(prometheus.Labels{"service": service}, reg)
		if err := promhealth.Start(context.Background(), health, promhealth.Join(labelled, reg)); err != nil {
			log.Fatal(err)
		}
		defer health.Stop()
	}
	families, err := reg.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "health_lifecycle_status" {
			fmt.Println(f.GetName(), len(f.GetMetric()))
		}
	}
	// Output: health_lifecycle_status 8
}

func ExampleExtend() {
	reg := prometheus.NewRegistry()
	depth := promauto.With(reg).NewGauge(prometheus.GaugeOpts{Name: "queue_depth", Help: "Jobs that wait."})
	depth.Set(95)

	health := healthcheck.New(healthcheck.Config{
		Rules: []rule.Rule{{Name: "queue", Value: rule.Last("queue_depth"), Fail: rule.Above(80)}},
	})
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(health.View()))
	if err := health.StartWith(context.Background(), healthcheck.Pipeline{Reader: promhealth.Extend(reader, reg), MeterProvider: provider}); err != nil {
		log.Fatal(err)
	}
	defer health.Stop()

	r := health.Verdict().Results[0]
	fmt.Println(r.Name, r.State, r.Reason)
	// Output: queue fail 95 of at most 80
}

func ExampleStartWith() {
	health := healthcheck.New(healthcheck.Config{})
	logger := slog.New(slog.DiscardHandler) // of the service
	if err := promhealth.StartWith(context.Background(), health, prometheus.NewRegistry(), healthcheck.Pipeline{Logger: logger}); err != nil {
		log.Fatal(err)
	}
	defer health.Stop()

	fmt.Println(health.Verdict().Readiness.State)
	// Output: pass
}
