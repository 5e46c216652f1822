package statuspage_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/statuspage"
)

// A page on a listener for operators, beside the one for users.
func ExampleNew() {
	reader := sdkmetric.NewManualReader()
	health := &healthcheck.Monitor{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Logger: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()

	page := statuspage.New(ctx, health, statuspage.Options{TraceURL: "https://traces.example/{trace}"})
	admin := http.NewServeMux()
	admin.Handle("/status", page)
	admin.Handle("/status/", page)

	w := httptest.NewRecorder()
	admin.ServeHTTP(w, httptest.NewRequest("GET", "/status", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output:
	// 200 text/html; charset=utf-8
}
