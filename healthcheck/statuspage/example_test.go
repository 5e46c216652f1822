package statuspage_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/statuspage"
)

// The page is on a listener for operators, beside the listener for users.
func ExampleNew() {
	health := healthcheck.New(healthcheck.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := health.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()

	page := statuspage.New(ctx, health, statuspage.Config{TraceURL: "https://traces.example/{trace}"})
	admin := http.NewServeMux()
	admin.Handle("/status", page)
	admin.Handle("/status/", page)

	w := httptest.NewRecorder()
	admin.ServeHTTP(w, httptest.NewRequest("GET", "/status", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output:
	// 200 text/html; charset=utf-8
}
