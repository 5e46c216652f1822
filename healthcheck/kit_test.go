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

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// kit is a Monitor on the real SDK, with or without a synctest bubble. A test may change its
// pipeline and its mux before start.
type kit struct {
	*Monitor
	t        testing.TB
	provider *sdkmetric.MeterProvider
	reader   *sdkmetric.ManualReader
	pipeline Pipeline
	mux      *http.ServeMux // of the service
	handler  http.Handler   // of the Monitor, around mux
	cancel   context.CancelFunc
}

// ofChecks is a configuration of checks alone.
func ofChecks(c ...Check) Config { return Config{Checks: c} }

// ofRules is a configuration of rules alone.
func ofRules(r ...rule.Rule) Config { return Config{Rules: r} }

// newKit makes the provider with the Monitor's View. start starts the Monitor.
func newKit(t testing.TB, c Config) *kit {
	t.Helper()
	return newInstance(t, "a", nil, c)
}

// newInstance is newKit for one of several instances, or with more options of the provider.
func newInstance(t testing.TB, id string, options []sdkmetric.Option, c Config) *kit {
	t.Helper()
	k := &kit{t: t, Monitor: New(c), reader: sdkmetric.NewManualReader(), mux: http.NewServeMux()}
	res := resource.NewSchemaless(
		attribute.String("service.name", "orders"), attribute.String("service.version", "1.4.2"), attribute.String("service.instance.id", id))
	k.provider = sdkmetric.NewMeterProvider(append(options,
		sdkmetric.WithReader(k.reader), sdkmetric.WithView(k.View()), sdkmetric.WithResource(res))...)
	k.pipeline = quiet(k.reader, k.provider)
	k.handler = k.Wrap(k.mux)
	return k
}

// quiet is a pipeline without traces and logs.
func quiet(r sdkmetric.Reader, mp *sdkmetric.MeterProvider) Pipeline {
	return Pipeline{Reader: r, MeterProvider: mp, TracerProvider: noop.NewTracerProvider(), Logger: slog.New(slog.DiscardHandler)}
}

func (k *kit) start() *kit {
	k.t.Helper()
	return k.startIn(context.Background())
}

func (k *kit) startIn(ctx context.Context) *kit {
	k.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	k.cancel = cancel
	if err := k.StartWith(ctx, k.pipeline); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		cancel()
		k.Stop()
	})
	return k
}

// evaluate collects once and judges, instead of waiting for the next second.
func (k *kit) evaluate() *verdict.Verdict {
	k.t.Helper()
	k.mu.Lock()
	r := k.running
	k.mu.Unlock()
	if r != nil {
		_ = r.collector.Collect(context.Background()) // rules report missing metrics
		k.judgeNow()
	}
	return k.Verdict()
}

// halt ends only the goroutines, as if they hung. It is not Stop.
func (k *kit) halt() {
	close(k.stopping)
	k.running.cancel()
	k.running.loops.Wait()
	k.stopping = make(chan struct{})
}

// get requests a path and checks that code and body agree.
func (k *kit) get(path string) (code int, body map[string]any) {
	k.t.Helper()
	w := httptest.NewRecorder()
	k.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		k.t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	if failed := body["status"] == "fail"; failed != (w.Code == http.StatusServiceUnavailable) {
		k.t.Fatalf("%s: code %d with status %v", path, w.Code, body["status"])
	}
	return w.Code, body
}

// want checks a probe's code and status. The verdict and the exported metric must agree.
func (k *kit) want(path string, code int, status verdict.State) map[string]any {
	k.t.Helper()
	got, body := k.get(path)
	if got != code || body["status"] != string(status) {
		k.t.Fatalf("%s: %d %v %q; want %d %s", path, got, body["status"], body["output"], code, status)
	}
	v := k.Verdict()
	p := map[string]verdict.Result{"/health": v.Liveness, "/ready": v.Readiness, "/startup": v.Startup}[path]
	if p.State != status {
		k.t.Fatalf("%s answers %s, but the verdict says %s (%s)", path, status, p.State, p.Reason)
	}
	for _, s := range states.ProbeStates {
		v := k.metric("health.probe.status", conventions.ProbeName.String(p.Name), conventions.ProbeState.String(string(s)))
		if (v == 1) != (s == status) {
			k.t.Fatalf("%s answers %s, but health.probe.status{%s} is %v", path, status, s, v)
		}
	}
	return body
}

// state checks one check in the verdict and in the metrics.
func (k *kit) state(name string, want verdict.State) {
	k.t.Helper()
	if r := k.result(name); r.State != want {
		k.t.Fatalf("%s is %s (%s); want %s", name, r.State, r.Reason, want)
	}
	for _, s := range states.CheckStates {
		v := k.metric("health.check.status", conventions.CheckName.String(name), conventions.CheckState.String(string(s)))
		if (v == 1) != (s == want) {
			k.t.Fatalf("%s is %s, but health.check.status{%s} is %v", name, want, s, v)
		}
	}
}

// result returns the result of one check, rule or heartbeat.
func (k *kit) result(name string) verdict.Result {
	k.t.Helper()
	for _, r := range k.Verdict().Results {
		if r.Name == name {
			return r
		}
	}
	k.t.Fatalf("nothing is called %s", name)
	return verdict.Result{}
}

// metric returns one exported value; -1 if there is no such series.
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

// wait lets time pass until the goroutines are idle.
func wait(d time.Duration) { time.Sleep(d) }

func ok(context.Context) error { return nil }

var errDown = errors.New("connection refused: postgres://user:hunter2@db")

func down(context.Context) error { return errDown }
