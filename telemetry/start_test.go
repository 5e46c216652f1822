package telemetry

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// globals returns OpenTelemetry's globals in the process, except the error handler.
func globals() []any {
	return []any{otel.GetMeterProvider(), otel.GetTracerProvider(), otel.GetTextMapPropagator(), otel.GetLoggerProvider()}
}

// handleErrors counts the errors in OpenTelemetry's error handler.
func handleErrors(t *testing.T) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { n.Add(1) }))
	t.Cleanup(func() { otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Print(err) })) })
	return &n
}

// result returns the result of one check or rule; nil if there is none.
func result(v *verdict.Verdict, name string) *verdict.Result {
	for n := range v.Results {
		if v.Results[n].Name == name {
			return &v.Results[n]
		}
	}
	return nil
}

// await waits for a matching verdict.
func await(t *testing.T, health *healthcheck.Monitor, is func(*verdict.Verdict) bool) *verdict.Verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last := health.Verdict()
	for last = range health.Watch(ctx) {
		if is(last) {
			return last
		}
	}
	t.Fatalf("waited in vain; the last verdict: %+v", last)
	return nil
}

// TestGlobalsStay: the globals of the process do not change, and a pipeline's failed exports go
// only to its own log.
func TestGlobalsStay(t *testing.T) {
	handled, before := handleErrors(t), globals()
	var c collector
	address, _ := c.serve(t)
	c.answer.Store(&answer{code: codes.InvalidArgument})
	tel, log := start(t, Config{Health: healthcheck.New(healthcheck.Config{})}, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + address, "OTEL_METRIC_EXPORT_INTERVAL": "10", "OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_BLRP_SCHEDULE_DELAY": "10",
	})
	if after := globals(); !reflect.DeepEqual(after, before) {
		t.Errorf("globals: %v, before: %v", after, before)
	}
	_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "a span")
	span.End()
	tel.Logger.Info("a record")
	for end := time.Now().Add(time.Minute); len(series(t, tel, "telemetry.export.failures")) < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not each signal has failed: %v", series(t, tel, "telemetry.export.failures"))
		}
	}
	if n := handled.Load(); n != 0 || !strings.Contains(log.String(), "OpenTelemetry: export: rpc error: code = InvalidArgument") {
		t.Errorf("%d errors came to the global handler; the log: %s", n, log)
	}
	otel.Handle(errors.New("of somebody else"))
	if n := handled.Load(); n != 1 || strings.Contains(log.String(), "somebody else") {
		t.Errorf("the error handler was replaced; the log: %s", log)
	}
}

func TestSetGlobals(t *testing.T) {
	handleErrors(t)
	before := globals()
	t.Cleanup(func() {
		otel.SetMeterProvider(before[0].(metric.MeterProvider))
		otel.SetTracerProvider(before[1].(trace.TracerProvider))
		otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator())
		otel.SetLoggerProvider(before[3].(otellog.LoggerProvider))
	})
	tel, log := start(t, Config{SetGlobals: true}, map[string]string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:1"})
	if want := []any{tel.MeterProvider, tel.TracerProvider, tel.propagator, tel.loggers}; !reflect.DeepEqual(globals(), want) {
		t.Errorf("globals: %v, want %v", globals(), want)
	}
	otel.Handle(errors.New("of somebody else"))
	if !strings.Contains(log.String(), "OpenTelemetry: of somebody else") {
		t.Errorf("log: %s", log)
	}
}

// TestTraceGoesOn: Instrument continues a trace without a global propagator.
func TestTraceGoesOn(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for propagators, want := range map[string]bool{"": true, "none": false} {
		tel, _ := start(t, Config{}, map[string]string{"OTEL_PROPAGATORS": propagators})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Traceparent", "00-"+id+"-b7ad6b7169203331-01")
		tel.Instrument(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got := trace.SpanContextFromContext(r.Context()).TraceID()
			if !got.IsValid() || (got.String() == id) != want {
				t.Errorf("OTEL_PROPAGATORS=%q: the trace is %s", propagators, got)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}

// TestSideBySide: two services in one process are judged by their own metrics.
func TestSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type service struct {
			*Telemetry
			health *healthcheck.Monitor
			http.Handler
		}
		begin := func(name string) service {
			health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
				{Name: "latency", Value: rule.Quantile(.5, requestDuration), Fail: rule.Above(300 * time.Millisecond), MinEvents: 1},
				{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(5), OnFail: healthcheck.NotReady},
			}})
			tel, _ := start(t, Config{ServiceName: name, Health: health}, nil)
			mux := http.NewServeMux()
			mux.HandleFunc("GET /slow", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) })
			mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
			return service{tel, health, health.Wrap(tel.Instrument(mux))}
		}
		orders, billing := begin("orders"), begin("billing")
		orders.health.Queue("jobs", 0, func() int { return 9 })
		billing.health.Queue("jobs", 0, func() int { return 1 })
		ask := func(s service, path string) int {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			return w.Code
		}
		ask(orders, "/fast")
		ask(billing, "/slow")
		time.Sleep(5 * time.Second)
		for _, c := range []struct {
			service
			ready              int
			queue, latency     verdict.State
			name, mine, theirs string
		}{
			{orders, 503, verdict.Fail, verdict.Pass, "orders", `http_route="/"`, `http_route="/slow"`},
			{billing, 200, verdict.Pass, verdict.Fail, "billing", `http_route="/slow"`, `http_route="/"`},
		} {
			v := c.health.Verdict()
			if code := ask(c.service, "/ready"); code != c.ready {
				t.Errorf("%s: /ready %d, want %d (%s)", c.name, code, c.ready, v.Readiness.Reason)
			}
			if got := result(v, "queue"); got.State != c.queue {
				t.Errorf("%s: queue is %s (%s), want %s", c.name, got.State, got.Reason, c.queue)
			}
			if got := result(v, "latency"); got.State != c.latency {
				t.Errorf("%s: latency is %s (%s), want %s", c.name, got.State, got.Reason, c.latency)
			}
			text := scrape(t, c.Telemetry)
			if !strings.Contains(text, `service_name="`+c.name+`"`) || !strings.Contains(text, c.mine) || strings.Contains(text, c.theirs) {
				t.Errorf("/metrics of %s:\n%s", c.name, text)
			}
		}
	})
}

// TestRulesAtStart: a rule on the metrics of Instrument passes from the first judgement on, even
// without a wrapped handler.
func TestRulesAtStart(t *testing.T) {
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.99, requestDuration), Fail: rule.Above(300 * time.Millisecond)},
		{Name: "age", Value: rule.Last("http.server.oldest_request.age"), Fail: rule.Above(10 * time.Second)},
	}})
	_, log := start(t, Config{Health: health}, nil)
	if v := health.Verdict(); v.Readiness.State != verdict.Pass {
		t.Errorf("readiness: %+v", v.Readiness)
	}
	if strings.Contains(log.String(), "level=WARN") {
		t.Errorf("log: %s", log)
	}
}

// TestOpenedLater: a client that is opened after Start is checked before the process is ready, if
// there is a Hold.
func TestOpenedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		health := healthcheck.New(healthcheck.Config{})
		release := health.Hold("opening")
		start(t, Config{Health: health}, nil)
		add := func(name string) (answer chan error) {
			answer = make(chan error)
			if _, err := health.Add(healthcheck.Check{Name: name, Func: func(context.Context) error { return <-answer }}); err != nil {
				t.Fatal(err)
			}
			return answer
		}
		want := func(when string, state verdict.State, reason string) {
			t.Helper()
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if got := health.Verdict().Readiness; got.State != state || got.Reason != reason {
				t.Errorf("%s: readiness is %s (%s), want %s (%s)", when, got.State, got.Reason, state, reason)
			}
		}
		opened := add("database")
		want("held", verdict.Fail, "starting: opening")
		release()
		want("released", verdict.Fail, "database: has not run yet")
		opened <- nil
		want("it works", verdict.Pass, "")
		added := add("tenant")
		want("another, while it is ready", verdict.Pass, "")
		close(added)
		want("it works, too", verdict.Pass, "")
		close(opened)
	})
}

// TestFailedStart: a failed Start leaves nothing behind: no global, no goroutine, no rule.
func TestFailedStart(t *testing.T) {
	handled, before := handleErrors(t), globals()
	var c collector
	address, _ := c.serve(t)
	running := goleak.IgnoreCurrent()

	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "a"}}})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address)
	out := &syncBuffer{}
	cfg := Config{Health: health, SetGlobals: true, Logger: slog.New(slog.NewTextHandler(out, nil))}
	tel, err := Start(t.Context(), cfg)
	var fields []string
	for e := range cfgerrors.All(err) {
		fields = append(fields, e.Field)
	}
	if tel != nil || strings.Join(fields, " ") != "Func" {
		t.Fatalf("%v; mistakes in %v", err, fields)
	}
	if !reflect.DeepEqual(globals(), before) {
		t.Errorf("globals: %v, before: %v", globals(), before)
	}
	otel.Handle(errors.New("of somebody else"))
	if handled.Load() != 1 {
		t.Error("the error handler was replaced")
	}
	if err := goleak.Find(running); err != nil {
		t.Error(err)
	}
	if v := health.Verdict(); len(v.Results) != 0 || v.Phase != "starting" {
		t.Errorf("the verdict: %+v", v)
	}

	// After the mistake is corrected it starts. Without an export it has no rule about exports.
	broken := rule.Rule{Name: "latency", Value: rule.Quantile(.9, "http.server.request.duration"), Fail: rule.Above(1)}
	health = healthcheck.New(healthcheck.Config{})
	remove, err := health.AddRule(broken) // a number where a duration is needed
	if err != nil {
		t.Fatal(err)
	}
	cfg.Health, cfg.SetGlobals = health, false
	if _, err := Start(t.Context(), cfg); err == nil {
		t.Fatal("the rule is no better")
	}
	remove()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	if tel, err = Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer tel.Close()
	if v := health.Verdict(); v.Readiness.State != verdict.Pass || len(v.Results) != 0 {
		t.Errorf("the verdict: %+v", v)
	}
	// A second pipeline can't use the same Monitor, and the first one goes on.
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address)
	if _, err := Start(t.Context(), cfg); !errors.Is(err, cfgerrors.ErrStarted) {
		t.Errorf("a second pipeline for one Monitor: %v", err)
	}
	if v := await(t, health, func(v *verdict.Verdict) bool { return len(v.Results) == 0 }); v.Readiness.State != verdict.Pass {
		t.Errorf("the verdict: %+v", v)
	}
}

// TestExportRule: if something is exported, failures are shown without an effect on readiness.
func TestExportRule(t *testing.T) {
	var c collector
	address, _ := c.serve(t)
	endpoint := map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://" + address, "OTEL_METRIC_EXPORT_INTERVAL": "3600000"}
	health := healthcheck.New(healthcheck.Config{})
	tel, _ := start(t, Config{Health: health}, endpoint)
	v := await(t, health, func(v *verdict.Verdict) bool { return result(v, "telemetry").State == verdict.Pass })
	if got := result(v, "telemetry"); got.OnFail != healthcheck.ShowOnly {
		t.Errorf("the rule: %+v", got)
	}
	c.answer.Store(&answer{code: codes.InvalidArgument})
	if err := tel.metrics.ForceFlush(t.Context()); err == nil {
		t.Fatal("the export succeeded")
	}
	v = await(t, health, func(v *verdict.Verdict) bool { return result(v, "telemetry").State == verdict.Fail })
	if v.Readiness.State != verdict.Pass {
		t.Errorf("readiness: %+v", v.Readiness)
	}

	own := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{
		{Name: "telemetry", Func: func(context.Context) error { return nil }, OnFail: healthcheck.WarnOnly},
	}})
	start(t, Config{Health: own}, endpoint)
	if v := own.Verdict(); len(v.Results) != 1 || v.Results[0].OnFail != healthcheck.WarnOnly {
		t.Errorf("the user's own check: %+v", v.Results)
	}
}

// TestEnds: the end of the context begins the drain, and only Close ends everything that Start
// began.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		health := healthcheck.New(healthcheck.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		tel, err := Start(ctx, Config{Health: health, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(10 * time.Second)
		if v := health.Verdict(); v.Phase != "draining" || time.Since(v.Time) > 2*time.Second {
			t.Errorf("after the end of the context, the verdict: %+v", v)
		}
		if text := scrape(t, tel); !strings.Contains(text, "health_lifecycle_status") {
			t.Errorf("after the end of the context, /metrics:\n%s", text)
		}
		if err := tel.Close(); err != nil {
			t.Error(err)
		}
		var last *verdict.Verdict
		for last = range health.Watch(t.Context()) { // ends, because the Monitor has stopped
		}
		if last.Readiness.State != verdict.Fail {
			t.Errorf("the last verdict: %+v", last)
		}
		if err := tel.Close(); err != nil {
			t.Errorf("Close once more: %v", err)
		}
	})
}
