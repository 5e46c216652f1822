package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/telemetry"
)

// A request is measured, /metrics has it, and the latency rule judges it.
// OTEL_EXPORTER_OTLP_ENDPOINT would also send it to a collector.
func ExampleStart() {
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(500 * time.Millisecond)},
	}})
	tel, err := telemetry.Start(context.Background(), telemetry.Config{ServiceName: "orders", Health: health, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tel.Close() // stops health and exports the remaining data, within 3 s

	app := http.NewServeMux()
	app.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "order ", r.PathValue("id")) })
	mux := http.NewServeMux()
	mux.Handle("/", tel.Instrument(app))
	mux.Handle("/metrics", tel.MetricsHandler()) // outside of Instrument
	handler := health.Wrap(mux)

	get := func(path string) (code int, body string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	fmt.Println(get("/orders/7"))
	_, text := get("/metrics")
	fmt.Println(strings.Contains(text, `http_route="/orders/{id}"`))
	code, _ := get("/ready")
	fmt.Println(code)
	// Output:
	// 200 order 7
	// true
	// 200
}

// Shutdown with your own deadline instead of Close's 3 s.
func ExampleTelemetry_Shutdown() {
	tel, err := telemetry.Start(context.Background(), telemetry.Config{ServiceName: "orders", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(tel.Shutdown(ctx))
	// Output:
	// <nil>
}
