package checks_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/checks"
)

// A check of another service, and what the response says while that answers 503.
func Example() {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer auth.Close()

	reader := sdkmetric.NewManualReader()
	health := &healthcheck.Monitor{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		Checks: []healthcheck.Check{
			{Name: "auth", Role: healthcheck.Core, Func: checks.HTTP(nil, auth.URL+"/health")},
			{Name: "disk", Func: checks.Disk("/", 0.0001)},
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := health.Start(ctx, reader); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(ctx) {
		if v.Checks[0].State == healthcheck.Fail { // the first run has ended
			fmt.Println(v.Output(healthcheck.Readiness))
			break
		}
	}
	// Output:
	// auth: 1 failure in a row, the last: 503
}

func ExampleHTTP() {
	auth := httptest.NewServer(http.RedirectHandler("/login", http.StatusFound))
	defer auth.Close()

	err := checks.HTTP(nil, auth.URL+"/health")(context.Background())
	fmt.Println(strings.ReplaceAll(err.Error(), auth.URL, "http://auth:8080"))
	// Output:
	// GET http://auth:8080/health: 302 Found
}

func ExampleTCP() {
	broker := httptest.NewServer(nil)
	check := checks.TCP(broker.Listener.Addr().String())
	fmt.Println(check(context.Background()))
	broker.Close()
	fmt.Println(check(context.Background()) != nil)
	fmt.Println(checks.TCP("broker")(context.Background())) // the port is missing
	// Output:
	// <nil>
	// true
	// checks.TCP: address broker: missing port in address
}

func ExampleDNS() {
	fmt.Println(checks.DNS(nil, "localhost")(context.Background()))
	// Output:
	// <nil>
}

func ExampleCertificate() {
	shop := httptest.NewTLSServer(nil) // its certificate is valid until 2084
	defer shop.Close()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(shop.Certificate())

	address := shop.Listener.Addr().String()
	fmt.Println(checks.Certificate(config, address, 14*24*time.Hour)(context.Background()))
	err := checks.Certificate(config, address, 100*365*24*time.Hour)(context.Background())
	fmt.Println(strings.ReplaceAll(err.Error(), address, "shop:443"))
	// Output:
	// <nil>
	// the certificate of shop:443 is valid until 2084-01-29T16:00:00Z, which is less than 876000h0m0s from now
}

func ExampleDisk() {
	fmt.Println(checks.Disk("/", 0.0001)(context.Background()))
	fmt.Println(checks.Disk("/", 10)(context.Background())) // a share, not per cent
	// Output:
	// <nil>
	// checks.Disk: free: 10 is not between 0 and 1
}
