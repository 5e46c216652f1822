package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/otelhealth/otelhealth/internal/guard"
)

func TestMain(m *testing.M) {
	for _, kv := range os.Environ() { // without the variables of the developer's shell
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// syncBuffer is a log that a test can read while it is written.
type syncBuffer struct {
	lines *guard.Writer // nil if nothing is written in the background
	mu    sync.Mutex
	buf   bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns what was written, after what waits to be written on a busy machine.
func (b *syncBuffer) String() string {
	for n := 0; b.lines != nil && n < 100 && b.lines.End() > 0; n++ {
		time.Sleep(10 * time.Millisecond)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start calls Start with only the given variables.
func start(t *testing.T, cfg Config, env map[string]string) (*Telemetry, *syncBuffer) {
	t.Helper()
	for k, v := range env {
		t.Setenv(k, v)
	}
	log := &syncBuffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	tel, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	log.lines = tel.lines
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = tel.Shutdown(ctx)
	})
	return tel, log
}

func scrape(t *testing.T, tel *Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text")
	tel.MetricsHandler().ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("/metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestWithoutEndpoint(t *testing.T) {
	tel, log := start(t, Config{ServiceName: "orders", ServiceVersion: "1.4.2"}, nil)
	if out := log.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "OTEL_EXPORTER_OTLP_ENDPOINT") {
		t.Errorf("log: %s", out)
	}
	body := scrape(t, tel)
	for _, want := range []string{`service_name="orders"`, `service_version="1.4.2"`, `service_instance_id="`} {
		if !strings.Contains(body, want) {
			t.Errorf("target_info lacks %s", want)
		}
	}
}

func TestVariablesWin(t *testing.T) {
	tel, log := start(t, Config{ServiceName: "orders"}, map[string]string{
		"OTEL_SERVICE_NAME": "billing", "OTEL_RESOURCE_ATTRIBUTES": "service.version=9,deployment.environment.name=prod",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"})
	body := scrape(t, tel)
	for _, want := range []string{`service_name="billing"`, `service_version="9"`, `deployment_environment_name="prod"`} {
		if !strings.Contains(body, want) {
			t.Errorf("target_info lacks %s:\n%s", want, body)
		}
	}
	if tel.logs != nil || strings.Contains(body, "telemetry_export_failures") || !strings.Contains(log.String(), "OTEL_SDK_DISABLED is true") {
		t.Errorf("OTEL_SDK_DISABLED: logs %v; the log: %s; the metrics:\n%s", tel.logs, log, body)
	}
}

// TestExemplarSwitch: exemplars lead from a bucket to a trace, and can be switched off.
func TestExemplarSwitch(t *testing.T) {
	for filter, want := range map[string]bool{"": true, "always_off": false} {
		tel, _ := start(t, Config{}, map[string]string{"OTEL_METRICS_EXEMPLAR_FILTER": filter})
		h := tel.Instrument(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if got := strings.Contains(scrape(t, tel), ` # {`); got != want {
			t.Errorf("OTEL_METRICS_EXEMPLAR_FILTER=%q: exemplars %v, want %v", filter, got, want)
		}
	}
}

// TestShutdownDespiteHangingCallback: the deadline holds although a callback hangs.
func TestShutdownDespiteHangingCallback(t *testing.T) {
	tel, _ := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
	hang := make(chan struct{})
	defer close(hang)
	_, err := tel.MeterProvider.Meter("test").Int64ObservableGauge("hung", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		<-hang
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- tel.Shutdown(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("Shutdown says that all was exported")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Shutdown waits for the callback")
	}
}

// count returns the number of recorded requests, by route and status code.
func count(t *testing.T, tel *Telemetry) map[string]uint64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := tel.Reader.(interface {
		Collect(context.Context, *metricdata.ResourceMetrics) error
	}).Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name != requestDuration {
				continue
			}
			for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				route, _ := p.Attributes.Value("http.route")
				code, _ := p.Attributes.Value("http.response.status_code")
				got[route.String()+" "+code.String()] += p.Count
			}
		}
	}
	return got
}

var unset map[string]int // for a handler with a bug

// TestPanics: every kind of panic is counted, and every client can see that a broken answer is incomplete.
func TestPanics(t *testing.T) {
	tel, log := start(t, Config{}, nil)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ok/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("GET /early", func(http.ResponseWriter, *http.Request) { panic("hunter2") })
	mux.HandleFunc("GET /nil", func(http.ResponseWriter, *http.Request) { unset["a"] = 1 })
	mux.HandleFunc("GET /late", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		panic("hunter2")
	})
	mux.HandleFunc("GET /flushed", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		panic("hunter2")
	})
	mux.HandleFunc("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	srv := httptest.NewServer(tel.Instrument(mux))
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/ok/1": 200, "/early": 500, "/nil": 500, "/late": 0, "/flushed": 0, "/abort": 0, "/none": 404} {
		code := 0
		res, err := client.Get(srv.URL + path)
		if err == nil {
			if _, err = io.ReadAll(res.Body); err == nil {
				code = res.StatusCode
			}
			res.Body.Close()
		}
		if code != want {
			t.Errorf("%s: %d (%v), want %d", path, code, err, want)
		}
	}
	got := count(t, tel)
	for series, want := range map[string]uint64{"/ok/{id} 200": 1, "/early 500": 1, "/nil 500": 1, "/late 500": 1, "/flushed 200": 1, "/abort 500": 1, " 404": 1} {
		if got[series] != want {
			t.Errorf("%s counted %d times, want %d (%v)", series, got[series], want, got)
		}
	}
	if out := log.String(); strings.Contains(out, "hunter2") || !strings.Contains(out, "nil map") {
		t.Errorf("log: %s", out)
	}
}

// TestRuntimeMetrics: Go's runtime metrics are there by default, and have few series.
func TestRuntimeMetrics(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	text := scrape(t, tel)
	n := strings.Count(text, "\ngo_")
	if !strings.Contains(text, "\ngo_goroutine_count{") || n > 12 {
		t.Errorf("%d series of go_*, want go_goroutine_count and at most 12:\n%s", n, text)
	}
}

// TestHostsMakeNoSeries: two thousand invented Host headers make one series, and no exemplar has such a header.
func TestHostsMakeNoSeries(t *testing.T) {
	tel, log := start(t, Config{}, nil)
	h := tel.Instrument(http.NotFoundHandler())
	for range 2100 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = strings.Repeat("hunter2", 20) + time.Now().String()
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if got := count(t, tel); len(got) != 1 || got[" 404"] != 2100 {
		t.Errorf("series: %v", got)
	}
	body := scrape(t, tel)
	if strings.Contains(body, "hunter2") {
		t.Error("a Host header came out in /metrics")
	}
	if !strings.Contains(body, "trace_id=") {
		t.Error("there is no exemplar")
	}
	if strings.Contains(log.String(), "exemplar") {
		t.Errorf("log: %s", log)
	}
}
