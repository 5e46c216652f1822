package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
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

	stuck := healthcheck.New(healthcheck.Config{})
	stuck.Heartbeat("worker", time.Millisecond).Begin()
	services["STUCK"] = serveMonitor(t, stuck, healthcheck.Pipeline{}, func(v *verdict.Verdict) bool { return v.Liveness.State == verdict.Fail })

	full := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), OnFail: healthcheck.NotReady}}})
	full.Queue("jobs", 100, func() int { return 84 })
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(full.View()))
	services["FULL"] = serveMonitor(t, full, healthcheck.Pipeline{Reader: reader, MeterProvider: provider}, func(v *verdict.Verdict) bool {
		return v.Readiness.State == verdict.Fail && len(v.Results) == 1 && v.Results[0].Value != nil
	})

	upgraded := healthcheck.New(healthcheck.Config{})
	if _, err := upgraded.Maintain("upgrade", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	services["MAINTENANCE"] = serveMonitor(t, upgraded, healthcheck.Pipeline{}, func(v *verdict.Verdict) bool { return v.Phase == "maintenance" })
	file := filepath.Join(t.TempDir(), "overrides")
	if err := os.WriteFile(file, []byte("cache=not-ready"), 0o600); err != nil {
		t.Fatal(err)
	}
	services["OVERRIDDEN"] = serve(t, healthcheck.Config{OverrideFile: file, Checks: []healthcheck.Check{{Name: "cache", Func: refuse, FailureThreshold: 1, OnFail: healthcheck.WarnOnly}}})
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	hung := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Interval: time.Second, Timeout: time.Second, Func: func(context.Context) error {
		<-hang
		return nil
	}}}})
	services["HUNG"] = serveMonitor(t, hung, healthcheck.Pipeline{}, func(v *verdict.Verdict) bool { return len(v.Results) == 1 && v.Results[0].State == verdict.Stale })
	services["PROMETHEUS"] = recorded(t)
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: func(e *testscript.Env) error {
		for name, url := range services {
			e.Setenv(name, url)
		}
		return nil
	}})
}

// recorded serves an hour of one queue as a Prometheus without remote read does. It is too long for five
// minutes.
func recorded(t *testing.T) string {
	labels := map[string]string{"__name__": "queue_length", "job": "orders", "service_instance_id": "a"}
	var values []any
	began := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for n := range 240 {
		length := "20"
		if n >= 120 && n < 140 {
			length = "95"
		}
		values = append(values, []any{began.Add(time.Duration(n) * 15 * time.Second).Unix(), length})
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var data any
		label, isLabel := strings.CutPrefix(r.URL.Path, "/api/v1/label/")
		switch {
		case isLabel:
			data = []string{labels[strings.TrimSuffix(label, "/values")]}
		case r.URL.Path == "/api/v1/labels":
			data = slices.Sorted(maps.Keys(labels))
		case r.URL.Path == "/api/v1/query":
			result := []any{map[string]any{"metric": labels, "values": values}}
			if strings.Contains(r.FormValue("query"), `service_instance_id=""`) {
				result = []any{}
			}
			data = map[string]any{"resultType": "matrix", "result": result}
		default:
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": data})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

var errRefused = errors.New("dial tcp: connection refused, password hunter2")

func refuse(context.Context) error { return errRefused }

// serve runs a Monitor on a listener of its own, with the operators' body behind its address and
// /admin. It returns the address once the first judgement is made.
func serve(t *testing.T, c healthcheck.Config) string {
	t.Helper()
	return serveMonitor(t, healthcheck.New(c), healthcheck.Pipeline{}, func(v *verdict.Verdict) bool {
		return len(v.Results) == len(c.Checks) && !slices.ContainsFunc(v.Results, func(r verdict.Result) bool { return r.State == verdict.Unknown })
	})
}

// serveMonitor does it for any Monitor, once a verdict is as the test wants it.
func serveMonitor(t *testing.T, health *healthcheck.Monitor, p healthcheck.Pipeline, until func(*verdict.Verdict) bool) string {
	t.Helper()
	if err := health.StartWith(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(health.Stop)
	for v := range health.Watch(t.Context()) {
		if !v.Time.IsZero() && until(v) {
			break
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/admin", health.DetailsHandler())
	srv := httptest.NewServer(health.Wrap(mux))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestExamples: a script runs every example of every command's help. The scripts have their own
// addresses.
func TestExamples(t *testing.T) {
	var scripts string
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		scripts += string(text)
	}
	scripts = regexp.MustCompile(`\$(WELL|ILL)\b`).ReplaceAllString(strings.ReplaceAll(scripts, "! otelhealth", "otelhealth"), "ADDRESS")
	all := 0
	for _, c := range rootCommand().Commands() {
		if c.Short == "" {
			t.Errorf("%s has no summary", c.Name())
		}
		if c.Name() == "backtest" || c.Name() == "suggest" {
			continue // their examples ask for the last days, and the scripts for days of which they have data
		}
		for line := range strings.Lines(c.Example) {
			line = strings.TrimSpace(line)
			line = regexp.MustCompile(`(http://)?localhost:\d+`).ReplaceAllString(strings.ReplaceAll(line, "/data/blackbox", "box"), "ADDRESS")
			all++
			if !strings.Contains(scripts, "\n"+line+"\n") && !strings.HasPrefix(scripts, line+"\n") {
				t.Errorf("no script runs: %s", line)
			}
		}
	}
	if all < 9 {
		t.Errorf("the help has only %d examples", all)
	}
}
