package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// handlerFunc is a log handler that does what it is told with every record.
type handlerFunc func(slog.Record) error

func (f handlerFunc) Handle(_ context.Context, r slog.Record) error { return f(r) }
func (f handlerFunc) Enabled(context.Context, slog.Level) bool      { return true }
func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f handlerFunc) WithGroup(string) slog.Handler                 { return f }

// circle is an error that unwraps to itself.
type circle struct{}

func (circle) Error() string   { return "circle" }
func (c circle) Unwrap() error { return c }

// TestLogHandlersHarmNobody: nothing of ours waits for a log handler: not Start, a scrape, a request with
// malformed baggage, OpenTelemetry's error handler, or Close. Close returns how many lines are lost.
func TestLogHandlersHarmNobody(t *testing.T) {
	open := make(chan struct{})
	defer close(open)
	var begun atomic.Pointer[Telemetry]
	for name, c := range map[string]struct {
		do   handlerFunc
		lost bool
	}{
		"writes":           {do: func(slog.Record) error { return nil }},
		"blocks":           {do: func(slog.Record) error { <-open; return nil }, lost: true},
		"panics":           {do: func(slog.Record) error { panic("hunter2") }, lost: true},
		"exits":            {do: func(slog.Record) error { runtime.Goexit(); return nil }, lost: true},
		"reports":          {do: func(slog.Record) error { otel.Handle(errors.New("from the handler")); return nil }},
		"returns 10 MB":    {do: func(slog.Record) error { return errors.New(strings.Repeat("x", 10<<20)) }, lost: true},
		"returns a circle": {do: func(slog.Record) error { return circle{} }, lost: true},
		"logs with Telemetry": {do: func(slog.Record) error {
			if tel := begun.Load(); tel != nil { // each line makes another one, until the test ends
				tel.log.Info("again")
			}
			panic("x")
		}, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "blocks" || name == "panics" { // with an export that fails, Close takes its 3 s
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
				t.Setenv("OTEL_TRACES_EXPORTER", "none") // their batches would be tried for a minute after Close
				t.Setenv("OTEL_LOGS_EXPORTER", "none")
			}
			t.Setenv("OTEL_TRACES_SAMPLER", "nonsense") // Start logs it
			began := time.Now()
			in := func(what string, most time.Duration) {
				t.Helper()
				if took := time.Since(began); took > most+5*time.Second { // for a busy machine; what hangs, hangs for ever
					t.Errorf("%s took %v", what, took)
				}
				began = time.Now()
			}
			var ready atomic.Bool
			health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "a", Func: func(context.Context) error { return nil }}}})
			tel, err := Start(t.Context(), Config{Health: health, Logger: slog.New(handlerFunc(func(r slog.Record) error {
				if !ready.Load() && strings.HasPrefix(name, "logs") {
					return nil
				}
				return c.do(r)
			}))})
			if err != nil {
				t.Fatal(err)
			}
			begun.Store(tel)
			defer begun.Store(nil)
			ready.Store(true)
			in("Start", 200*time.Millisecond)
			otel.SetErrorHandler(tel.errorLogger)
			defer otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))

			for _, err := range []error{errors.New("other"), circle{}, errors.New(strings.Repeat("y", 10<<20))} {
				otel.Handle(err)
			}
			in("otel.Handle", 300*time.Millisecond)
			for range 3 {
				w := httptest.NewRecorder()
				tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "go_goroutine") {
					t.Errorf("/metrics: %d", w.Code)
				}
			}
			in("three scrapes", time.Second)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Baggage", "====;;;,,,")
			tel.Instrument(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), r)
			in("a request with malformed baggage", 100*time.Millisecond)
			w := httptest.NewRecorder()
			health.LivenessHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
			if w.Code != http.StatusOK {
				t.Errorf("/health: %d", w.Code)
			}
			err = tel.Close()
			in("Close", closeLimit+200*time.Millisecond)
			if lost := err != nil && strings.Contains(err.Error(), "log lines were not written"); lost != c.lost && name != "reports" { // it waits for itself, so its lines may come later
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// blocking is an error whose text never comes.
type blocking chan struct{}

func (b blocking) Error() string { <-b; return "" }

// TestErrorsWithoutAText: if an error blocks, only its own text is missing, and no other caller waits.
func TestErrorsWithoutAText(t *testing.T) {
	open := make(blocking)
	defer close(open)
	var lines []string
	l := &errorLogger{errors: map[string]*loggedError{}, log: slog.New(handlerFunc(func(r slog.Record) error { lines = append(lines, r.Message); return nil }))}
	l.Handle(open)
	if len(lines) != 1 || !strings.Contains(lines[0], "an error of type telemetry.blocking") {
		t.Errorf("%q", lines)
	}
	l.Handle(errors.New(strings.Repeat("z", 10<<20)))
	if len(lines) != 2 || len(lines[1]) > 1100 || !strings.HasSuffix(lines[1], "…") {
		t.Errorf("%d bytes", len(lines[len(lines)-1]))
	}
}

// TestViewsThatPanic: a view that panics matches nothing, and a filter that panics drops the attribute. Callers
// that record don't notice, and the instruments have their values.
func TestViewsThatPanic(t *testing.T) {
	tel, _ := start(t, Config{Views: []sdkmetric.View{
		func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			if i.Name == "rude" {
				panic("hunter2")
			}
			return sdkmetric.Stream{}, false
		},
		func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			return sdkmetric.Stream{Name: i.Name, AttributeFilter: func(kv attribute.KeyValue) bool {
				if kv.Key == "secret" {
					panic("hunter2")
				}
				return true
			}}, i.Name == "rude" || i.Name == "filtered"
		},
	}}, nil)
	for _, name := range []string{"rude", "filtered"} {
		c, err := tel.MeterProvider.Meter("test").Int64Counter(name)
		if err != nil {
			t.Fatal(err)
		}
		c.Add(t.Context(), 7, metric.WithAttributes(attribute.String("secret", "x"), attribute.String("kept", "y")))
	}
	body := scrape(t, tel)
	for _, name := range []string{"rude_total", "filtered_total"} {
		line := ""
		for l := range strings.Lines(body) {
			if strings.HasPrefix(l, name+"{") {
				line = l
			}
		}
		if !strings.Contains(line, `kept="y"`) || strings.Contains(line, "secret") || !strings.HasSuffix(line, " 7.0\n") {
			t.Errorf("%s: %q", name, line)
		}
	}
}
