package healthcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhealth/otelhealth/healthcheck/checks"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// password is in every text that foreign code can have.
const password = "S3cr3tPw"

// secretValue is a panic's value with the password in each text that it can give.
type secretValue struct{ DSN string }

func (v secretValue) Error() string    { return v.DSN }
func (v secretValue) String() string   { return v.DSN }
func (v secretValue) GoString() string { return v.DSN }

// TestNoSecretByASideDoor puts a password into errors and panics of checks, callbacks, queues, views and
// readers, and looks for it in every output: bodies, log, spans, metrics, the error of Start, the verdict. Only
// the texts of errors for operators may have it.
func TestNoSecretByASideDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dsn := "dial postgres://svc:" + password + "@db:5432: refused"
		var armed atomic.Bool
		fault := func(panics bool) error {
			switch {
			case !armed.Load():
				return nil
			case panics:
				panic(secretValue{dsn})
			}
			return errors.New(dsn)
		}
		c := ofRules(rule.Rule{Name: "pool", OnFail: ShowOnly, Value: rule.Last("pool"), Fail: rule.Above(1)})
		c.Checks = []Check{
			{Name: "panics", FailureThreshold: 1, Func: func(context.Context) error { return fault(true) }},
			{Name: "panics with an error", FailureThreshold: 1, Func: func(context.Context) error {
				if armed.Load() {
					panic(fmt.Errorf("query: %w", secretValue{dsn}))
				}
				return nil
			}},
			{Name: "error panics", FailureThreshold: 1, Func: func(context.Context) error {
				if armed.Load() {
					return rudeError{func() { panic(secretValue{dsn}) }}
				}
				return nil
			}},
			{Name: "fails", FailureThreshold: 1, Func: func(context.Context) error { return fault(false) }},
			{Name: "warns", Func: func(context.Context) error { return checks.Warning(fault(false)) }},
		}
		log := &logged{}
		var asJSON logged
		k := newKit(t, c)
		k.pipeline.Logger = slog.New(slog.NewMultiHandler(
			slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}), slog.NewJSONHandler(&asJSON, &slog.HandlerOptions{Level: slog.LevelDebug})))
		spans := tracetest.NewSpanRecorder()
		k.pipeline.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		for n, panics := range []bool{false, true} {
			if _, err := k.provider.Meter("test").Int64ObservableGauge(fmt.Sprint("pool", n), metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(1)
				return fault(panics)
			})); err != nil {
				t.Fatal(err)
			}
		}
		var queueArmed atomic.Bool // alone, because a callback that panics ends the collection
		k.Queue("jobs", 0, func() int {
			if queueArmed.Load() {
				panic(secretValue{dsn})
			}
			return 1
		})

		var outputs bytes.Buffer
		armed.Store(true)
		if err := k.StartWith(t.Context(), k.pipeline); err == nil {
			t.Fatal("Start has begun with a callback that panics")
		} else {
			fmt.Fprintln(&outputs, "Start:", err)
		}
		armed.Store(false)
		k.start()
		queueArmed.Store(true)
		wait(20 * time.Second)
		armed.Store(true)
		wait(time.Minute)
		for _, path := range []string{"/health?verbose", "/ready", "/ready?verbose", "/startup?verbose"} {
			w := httptest.NewRecorder()
			k.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			fmt.Fprintln(&outputs, path, w.Body)
		}
		v := *k.Verdict()
		for n := range v.Results {
			if r := &v.Results[n]; r.Name == "fails" || r.Name == "warns" || r.Name == "error panics" {
				r.Err = nil // the user's own error
			}
		}
		fmt.Fprintf(&outputs, "verdict: %+v\n", v)
		details := httptest.NewRecorder()
		k.DetailsHandler().ServeHTTP(details, httptest.NewRequest(http.MethodGet, "/", nil))
		armed.Store(false)
		var rm metricdata.ResourceMetrics
		if err := k.reader.Collect(t.Context(), &rm); err != nil && !errors.Is(err, sdkmetric.ErrReaderShutdown) {
			fmt.Fprintln(&outputs, "collection:", err)
		}
		fmt.Fprintf(&outputs, "metrics: %+v\n", rm)
		k.Stop()
		for _, s := range spans.Ended() {
			fmt.Fprintln(&outputs, "span:", s.Name(), s.Status(), s.Attributes(), s.Events())
		}
		fmt.Fprintln(&outputs, log.take(), asJSON.take())
		for line := range strings.Lines(outputs.String()) {
			if strings.Contains(line, password) {
				t.Errorf("the password is in %.500s", line)
			}
		}
		for _, want := range []string{"panic of healthcheck.secretValue", "*errors.errorString", "the length of a queue is not known", "a check changed its state"} {
			if !strings.Contains(outputs.String(), want) {
				t.Errorf("no output has %q, so this test has not looked at all of them", want)
			}
		}

		var body struct {
			Checks map[string][]struct{ Error string }
		}
		if err := json.Unmarshal(details.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		for name, entries := range body.Checks {
			if text := entries[0].Error; strings.Contains(text, password) != (name == "fails" || name == "warns") {
				t.Errorf("the operators' text of %s is %q", name, text)
			}
		}
	})
}
