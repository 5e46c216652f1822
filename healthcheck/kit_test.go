package healthcheck

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace/noop"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// kit is a Monitor on the real SDK, in a synctest bubble or out of it.
type kit struct {
	*Monitor
	t        testing.TB
	provider *sdkmetric.MeterProvider
	reader   *sdkmetric.ManualReader
	mux      *http.ServeMux
	cancel   context.CancelFunc
}

// newKit builds the provider with the Monitor's View; start starts it.
func newKit(t testing.TB, checks ...Check) *kit {
	t.Helper()
	return newInstance(t, "a", nil, checks...)
}

// newInstance is newKit for one of several instances, or with more options of the
// provider.
func newInstance(t testing.TB, id string, options []sdkmetric.Option, checks ...Check) *kit {
	t.Helper()
	k := &kit{t: t, Monitor: &Monitor{Checks: checks, Logger: slog.New(slog.DiscardHandler), TracerProvider: noop.NewTracerProvider()}}
	k.reader = sdkmetric.NewManualReader()
	res := resource.NewSchemaless(
		attribute.String("service.name", "orders"), attribute.String("service.version", "1.4.2"), attribute.String("service.instance.id", id))
	k.provider = sdkmetric.NewMeterProvider(append(options,
		sdkmetric.WithReader(k.reader), sdkmetric.WithView(k.View()), sdkmetric.WithResource(res))...)
	k.MeterProvider = k.provider
	return k
}

func (k *kit) start() *kit {
	k.t.Helper()
	return k.startIn(context.Background())
}

func (k *kit) startIn(ctx context.Context) *kit {
	k.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	k.cancel = cancel
	if err := k.Start(ctx, k.reader); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		cancel()
		k.Stop()
	})
	k.mux = http.NewServeMux()
	k.Register(k.mux)
	return k
}

// get asks a path and checks that code and body agree.
func (k *kit) get(path string) (code int, body map[string]any) {
	k.t.Helper()
	w := httptest.NewRecorder()
	k.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		k.t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	if failed := body["status"] == "fail"; failed != (w.Code == http.StatusServiceUnavailable) {
		k.t.Fatalf("%s: code %d with status %v", path, w.Code, body["status"])
	}
	return w.Code, body
}

// want checks a probe's code and status, and that the exported metric agrees.
func (k *kit) want(path string, code int, status State) map[string]any {
	k.t.Helper()
	got, body := k.get(path)
	if got != code || body["status"] != string(status) {
		k.t.Fatalf("%s: %d %v %q; want %d %s", path, got, body["status"], body["output"], code, status)
	}
	p := map[string]Probe{"/health": Liveness, "/ready": Readiness, "/startup": Startup}[path]
	for _, s := range states.ProbeStates {
		v := k.metric("health.probe.status", attr.ProbeName.String(p.String()), attr.ProbeState.String(string(s)))
		if (v == 1) != (s == status) {
			k.t.Fatalf("%s answers %s, but health.probe.status{%s} is %v", path, status, s, v)
		}
	}
	return body
}

// state checks one check in the verdict and in the metrics.
func (k *kit) state(name string, want State) {
	k.t.Helper()
	for _, c := range k.Verdict().Checks {
		if c.Name == name && c.State != want {
			k.t.Fatalf("%s is %s (%s); want %s", name, c.State, c.Output, want)
		}
	}
	for _, s := range states.CheckStates {
		v := k.metric("health.check.status", attr.CheckName.String(name), attr.CheckState.String(string(s)))
		if (v == 1) != (s == want) {
			k.t.Fatalf("%s is %s, but health.check.status{%s} is %v", name, want, s, v)
		}
	}
}

// metric reads one exported value; -1 if there is no such series.
func (k *kit) metric(name string, attrs ...attribute.KeyValue) float64 {
	k.t.Helper()
	var rm metricdata.ResourceMetrics
	if err := k.reader.Collect(context.Background(), &rm); err != nil {
		k.t.Fatal(err)
	}
	want := attribute.NewSet(attrs...)
	for _, m := range evidence.NewCatalog(&rm)[name] {
		_, points, err := evidence.Points(m.Data)
		if err != nil {
			k.t.Fatal(err)
		}
		for _, p := range points {
			if p.Attrs.Equals(&want) {
				return p.Value
			}
		}
	}
	return -1
}

// wait lets time pass and the goroutines settle.
func wait(d time.Duration) { time.Sleep(d) }

var errDown = errors.New("connection refused: postgres://user:hunter2@db")

// foreign is what is known of the instruments of a provider without our View.
func foreign(string) (created, known bool) { return false, false }

// ruleOf is the rule that a check makes.
func ruleOf(c Check, s *evidence.Sampler, created func(string) (created, known bool), now time.Time, spread float64) *judge.Rule {
	return judge.NewRule(c.limit(), c.For, c.KeepFor, s, created, now, spread)
}
