package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/otelhealth/otelhealth/healthcheck"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"otelhealth": func() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }})
}

// TestScripts runs the scripts in testdata against real Monitors.
func TestScripts(t *testing.T) {
	services := map[string]string{
		"WELL":  serve(t, healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: func(context.Context) error { return nil }}}}),
		"ILL":   serve(t, healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: refuse, FailureThreshold: 1}, {Name: "cache", Func: refuse, FailureThreshold: 1, OnFail: healthcheck.WarnOnly}}}),
		"TERSE": serve(t, healthcheck.Config{Terse: true}),
		"NEW":   serve(t, healthcheck.Config{Checks: []healthcheck.Check{{Name: "search", Func: refuse, FailureThreshold: 1, OnFail: healthcheck.NotReady.InShadow()}}}),
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>hello</html>")) }))
	t.Cleanup(other.Close)
	services["OTHER"] = other.URL
	target, err := url.Parse(services["WELL"])
	if err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that refuses its certificate
	secure.StartTLS()
	t.Cleanup(secure.Close)
	services["SECURE"] = secure.URL
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: func(e *testscript.Env) error {
		for name, url := range services {
			e.Setenv(name, url)
		}
		return nil
	}})
}

var errRefused = errors.New("dial tcp: connection refused, password hunter2")

func refuse(context.Context) error { return errRefused }

// serve runs a Monitor on a listener of its own, with the operators' body behind its address and
// /admin. It returns the address once the first judgement is made.
func serve(t *testing.T, c healthcheck.Config) string {
	t.Helper()
	health := healthcheck.New(c)
	if err := health.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(health.Stop)
	for v := range health.Watch(t.Context()) {
		if v.Time.IsZero() || len(v.Results) < len(c.Checks) {
			continue
		}
		judged := true
		for _, r := range v.Results {
			judged = judged && r.State != "unknown"
		}
		if judged {
			break
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/admin", health.DetailsHandler())
	srv := httptest.NewServer(health.Wrap(mux))
	t.Cleanup(srv.Close)
	return srv.URL
}
