package checks_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A check of another service, and the response while that service answers 503.
func Example() {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer auth.Close()

	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{
		{Name: "auth", Func: checks.HTTP(auth.URL + "/health")},
		{Name: "disk", Func: checks.DiskFree("/", 0.0001), OnFail: healthcheck.WarnOnly},
	}})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := health.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(ctx) {
		if v.Results[0].State == verdict.Fail { // the first run has ended
			fmt.Println(v.Readiness.Reason)
			break
		}
	}
	// Output:
	// auth: 1 failure in a row, the last: 503
}

// A function of your own. Strangers must not see the text of its error.
func ExampleClass() {
	licence := func(context.Context) error {
		return checks.Class(errors.New("licence 4711-0815 of ACME has ended"), "licence_ended")
	}
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "licence", Func: licence}}})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := health.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(ctx) {
		if r := v.Results[0]; r.State == verdict.Fail {
			fmt.Println("everybody:", r.Reason)
			fmt.Println("operators:", r.Err)
			break
		}
	}
	// Output:
	// everybody: 1 failure in a row, the last: licence_ended
	// operators: licence 4711-0815 of ACME has ended
}

func ExampleHTTP() {
	auth := httptest.NewServer(http.RedirectHandler("/login", http.StatusFound))
	defer auth.Close()

	err := checks.HTTP(auth.URL + "/health")(context.Background())
	fmt.Println(strings.ReplaceAll(err.Error(), auth.URL, "http://auth:8080"))
	// Output:
	// GET http://auth:8080/health: 302 Found
}

// A client of your own, with its own certificate authority.
func ExampleHTTPClient() {
	auth := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer auth.Close()

	client := auth.Client()
	fmt.Println(checks.HTTPClient(client, auth.URL+"/health")(context.Background()))
	client.CloseIdleConnections()
	// Output:
	// <nil>
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
	fmt.Println(checks.DNS("localhost")(context.Background()))
	fmt.Println(checks.DNS("127.0.0.1")(context.Background()))
	// Output:
	// <nil>
	// checks.DNS: 127.0.0.1 is an address, so nothing is looked up
}

func ExampleCertificateValid() {
	shop := httptest.NewUnstartedServer(nil)
	shop.Config.ErrorLog = log.New(io.Discard, "", 0)
	shop.StartTLS()
	defer shop.Close()

	err := checks.CertificateValid(shop.Listener.Addr().String(), 14*24*time.Hour)(context.Background())
	fmt.Println(err) // its authority is not one of the system's
	// Output:
	// tls: failed to verify certificate: x509: certificate signed by unknown authority
}

func ExampleCertificateValidConfig() {
	shop := httptest.NewTLSServer(nil) // its certificate is valid until 2084
	defer shop.Close()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(shop.Certificate())

	address := shop.Listener.Addr().String()
	fmt.Println(checks.CertificateValidConfig(config, address, 14*24*time.Hour)(context.Background()))
	err := checks.CertificateValidConfig(config, address, 100*365*24*time.Hour)(context.Background())
	fmt.Println(strings.ReplaceAll(err.Error(), address, "shop:443"))
	// Output:
	// <nil>
	// the certificate of shop:443 is valid until 2084-01-29T16:00:00Z, which is less than 876000h0m0s from now
}

func ExampleDiskFree() {
	fmt.Println(checks.DiskFree("/", 0.0001)(context.Background()))
	fmt.Println(checks.DiskFree("/", 10)(context.Background())) // a share, not per cent
	// Output:
	// <nil>
	// checks.DiskFree: min: 10 is not between 0 and 1
}

// A function of your own that shows a number beside its result.
func ExampleObserve() {
	replica := func(ctx context.Context) error {
		lag := 90 * time.Second // of a replica, asked from the database
		checks.Observe(ctx, lag.Seconds(), "s")
		if lag > time.Minute {
			return checks.Warning(errors.New("the replica is far behind"))
		}
		return nil
	}
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "replica", Func: replica}}})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := health.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(ctx) {
		if r := v.Results[0]; r.Value != nil { // the first run has ended
			fmt.Println(r.State, *r.Value, r.Unit)
			break
		}
	}
	// Output: warn 90 s
}

// A warning: /ready says warn and still answers 200.
func ExampleWarning() {
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{
		Name: "replicas",
		Func: func(context.Context) error { return checks.Warning(errors.New("1 of 3 replicas is behind")) },
	}}})
	if err := health.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(context.Background()) {
		if v.Results[0].State != verdict.Unknown {
			fmt.Println(v.Readiness.State)
			break
		}
	}
	// Output:
	// warn
}

// With healthcheck.Config.Peers, a wrong schema takes the instance out although its peers fail too.
func ExampleIgnorePeers() {
	schemaIsNew := func(context.Context) error { return checks.Class(errors.New("version 3 of 4"), "schema_too_old") }
	health := healthcheck.New(healthcheck.Config{
		Peers:  "orders-peers:8000",
		Checks: []healthcheck.Check{{Name: "schema", Func: checks.IgnorePeers(schemaIsNew)}},
	})
	if err := health.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer health.Stop()
	for v := range health.Watch(context.Background()) {
		if v.Results[0].State != verdict.Unknown {
			fmt.Println(v.Readiness.Reason)
			break
		}
	}
	// Output:
	// schema: 1 failure in a row, the last: schema_too_old
}
