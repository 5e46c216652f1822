package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/telemetry"
)

// A request is measured, and /metrics has it. OTEL_EXPORTER_OTLP_ENDPOINT would
// send it to a collector, too.
func ExampleStart() {
	tel, err := telemetry.Start(telemetry.Config{ServiceName: "orders", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tel.Close() // exports what is left, within 3 s

	app := http.NewServeMux()
	app.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "order ", r.PathValue("id")) })
	mux := http.NewServeMux()
	mux.Handle("/", tel.Handler(app))
	mux.Handle("/metrics", tel.Metrics()) // beside, not inside

	get := func(path string) string {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Body.String()
	}
	fmt.Println(get("/orders/7"))
	fmt.Println(strings.Contains(get("/metrics"), `http_route="/orders/{id}"`))
	// Output:
	// order 7
	// true
}

// An end of your own choice in place of Close's 3 s.
func ExampleTelemetry_Shutdown() {
	tel, err := telemetry.Start(telemetry.Config{ServiceName: "orders", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(tel.Exporting, tel.Shutdown(ctx))
	// Output:
	// false <nil>
}
