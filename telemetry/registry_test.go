package telemetry

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// metricsOf asks a registry's own handler.
func metricsOf(t *testing.T, reg prometheus.Gatherer) (code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Code, w.Body.String()
}

// exportedNames collects the names of the metrics that arrive.
type exportedNames struct {
	collector
	mu    sync.Mutex
	names map[string]int // by the last request
}

func (c *exportedNames) Export(ctx context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	names := map[string]int{}
	for _, rm := range r.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				names[m.Name]++
			}
		}
	}
	c.mu.Lock()
	c.names = names
	c.mu.Unlock()
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func (c *exportedNames) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.names)
}

func (c *exportedNames) count(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[name]
}

// TestRegistry: with a registry of the service, its own handler has all metrics, rules read both
// kinds, OTLP exports both once, and Close leaves nothing.
func TestRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "jobs_depth"})
	depth.Set(9)
	reg.MustRegister(depth)
	c := &exportedNames{}
	address := serveMetrics(t, c)
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{
		{Name: "depth", Value: rule.Last("jobs_depth"), Fail: rule.Above(5)},
		{Name: "goroutines", Value: rule.Last("go.goroutine.count"), Fail: rule.Above(1e6)},
	}})
	tel, log := start(t, Config{Registry: reg, Health: health}, map[string]string{
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://" + address, "OTEL_METRIC_EXPORT_INTERVAL": "10"})
	v := health.Verdict()
	if r := result(v, "depth"); r.State != verdict.Fail || r.Reason != "9 of at most 5" {
		t.Errorf("depth: %+v", r)
	}
	if r := result(v, "goroutines"); r.State != verdict.Pass || r.Value == nil {
		t.Errorf("goroutines: %+v", r)
	}
	code, body := metricsOf(t, reg)
	for _, want := range []string{"\njobs_depth 9", "\ngo_goroutine_count{", "\nhealth_check_status{", "\ntarget_info{"} {
		if code != 200 || strings.Count("\n"+body, want) == 0 {
			t.Errorf("the registry (%d) lacks %s", code, want)
		}
	}
	if own := scrape(t, tel); !strings.Contains(own, "\njobs_depth 9") {
		t.Error("MetricsHandler lacks jobs_depth")
	}
	eventually(t, "both kinds are exported", func() bool { return c.count("jobs_depth") == 1 && c.count("go.goroutine.count") == 1 })
	if c.count("go_goroutine_count") != 0 || c.count("target_info") != 0 {
		t.Error("own metrics are exported twice")
	}
	if _, err := Start(t.Context(), Config{Registry: reg}); err == nil || !strings.Contains(err.Error(), "Registry") {
		t.Errorf("a second Start in one registry: %v", err)
	}
	if code, _ := metricsOf(t, reg); code != 200 {
		t.Errorf("after a refused Start: %d", code)
	}
	if err := tel.Close(); err != nil {
		t.Error(err)
	}
	if code, body := metricsOf(t, reg); code != 200 || strings.Contains(body, "go_goroutine_count") || !strings.Contains(body, "jobs_depth 9") {
		t.Errorf("after Close: %d\n%s", code, body)
	}
	again, _ := start(t, Config{Registry: reg}, nil)
	if _, body := metricsOf(t, reg); !strings.Contains(body, "go_goroutine_count") {
		t.Error("a Start after Close is not in the registry")
	}
	_ = again.Close()
	if strings.Contains(log.String(), "OpenTelemetry:") {
		t.Errorf("log: %s", log)
	}
}

// TestTwoInOneRegistry: two services in one process share a registry by labels.
func TestTwoInOneRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	for _, name := range []string{"orders", "billing"} {
		start(t, Config{ServiceName: name, Registry: promhealth.Join(prometheus.WrapRegistererWith(prometheus.Labels{"service": name}, reg), reg)}, nil)
	}
	code, body := metricsOf(t, reg)
	if code != 200 || !strings.Contains(body, `,service="orders"`) || !strings.Contains(body, `,service="billing"`) {
		t.Errorf("%d\n%s", code, body)
	}
}

// TestWrappedRegistries: a registry may give own metrics a prefix or labels, also the metrics
// of two pipelines. OTLP exports own metrics once even then, and the other ones of the registry.
func TestWrappedRegistries(t *testing.T) {
	for how, wrap := range map[string]func(string, prometheus.Registerer) prometheus.Registerer{
		"prefix": func(name string, reg prometheus.Registerer) prometheus.Registerer {
			return prometheus.WrapRegistererWithPrefix(name+"_", reg)
		},
		"labels": func(name string, reg prometheus.Registerer) prometheus.Registerer {
			return prometheus.WrapRegistererWith(prometheus.Labels{"service": name}, reg)
		},
	} {
		t.Run(how, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_goroutine_count"}) // the name of an own metric
			reg.MustRegister(depth)
			c := &exportedNames{}
			var collections atomic.Int64
			for _, name := range []string{"orders", "billing"} {
				tel, _ := start(t, Config{ServiceName: name, Registry: promhealth.Join(wrap(name, reg), reg)}, map[string]string{
					"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://" + serveMetrics(t, c), "OTEL_METRIC_EXPORT_INTERVAL": "3600000"})
				if _, err := tel.MeterProvider.Meter("test").Int64ObservableGauge("own.gauge", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
					collections.Add(1)
					o.Observe(1)
					return nil
				})); err != nil {
					t.Fatal(err)
				}
				before := collections.Load()
				if err := tel.metrics.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				exported := c.all()
				for _, want := range []string{"go_goroutine_count", "go.goroutine.count", "own.gauge"} {
					if exported[want] != 1 {
						t.Errorf("%s is exported %d times: %v", want, exported[want], exported)
					}
					delete(exported, want)
				}
				for twice := range exported {
					if strings.HasSuffix(twice, "go_goroutine_count") || strings.HasSuffix(twice, "own_gauge") || strings.HasSuffix(twice, "target_info") {
						t.Errorf("%s is exported: own metrics are there twice", twice)
					}
				}
				want := map[string]int64{"orders": 2, "billing": 3}[name] // the export, and the registry asks each pipeline
				if got := collections.Load() - before; got != want {
					t.Errorf("an export of %s collects %d times, want %d", name, got, want)
				}
			}
		})
	}
}

// TestCloseWithSlowCollector: a collector of the registry that does not return takes half of Close's time. The last
// export succeeds.
func TestCloseWithSlowCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		hang := make(chan struct{})
		defer close(hang)
		reg.MustRegister(faulty{prometheus.NewDesc("slow", "", nil, nil), hang})
		f := &foreign{all: reg, limit: gatherLimit, report: func(error) {}}
		ctx, cancel := context.WithTimeout(t.Context(), closeLimit)
		defer cancel()
		begin := time.Now()
		if scopes, err := f.Produce(ctx); len(scopes) != 0 || err != nil || ctx.Err() != nil {
			t.Errorf("%v, %v, %v", scopes, err, ctx.Err())
		}
		if d := time.Since(begin); d > closeLimit/2 {
			t.Errorf("it takes %v", d)
		}
	})
}

// faulty is a collector that hangs or fails.
type faulty struct {
	desc *prometheus.Desc
	hang chan struct{} // until it is closed
}

func (f faulty) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }
func (f faulty) Collect(ch chan<- prometheus.Metric) {
	if f.hang != nil {
		<-f.hang
	}
	ch <- prometheus.NewInvalidMetric(f.desc, errPassword)
}

type passwordError struct{}

func (passwordError) Error() string { return "hunter2" }

var errPassword = passwordError{}

// TestFaultyCollector: if a collector in the registry hangs or fails, no other metric is missing in OTLP, and its text
// is not logged.
func TestFaultyCollector(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "jobs_depth"}))
	hang := make(chan struct{})
	reported := &syncBuffer{}
	f := &foreign{all: reg, limit: 1, report: func(err error) { _, _ = reported.Write([]byte(err.Error() + "\n")) }}
	faults := faulty{prometheus.NewDesc("broken", "", nil, nil), hang}
	reg.MustRegister(faults)
	for range 2 {
		if scopes, err := f.Produce(t.Context()); len(scopes) != 0 || err != nil {
			t.Errorf("while one hangs: %v, %v", scopes, err)
		}
	}
	close(hang)
	f.limit = gatherLimit
	eventually(t, "it goes on", func() bool {
		scopes, err := f.Produce(t.Context())
		return err == nil && len(scopes) == 1 && len(scopes[0].Metrics) == 1 && scopes[0].Metrics[0].Name == "jobs_depth"
	})
	if n := len(gatherings.all); n != 0 {
		t.Errorf("%d gatherings have not ended", n)
	}
	out := reported.String()
	if !strings.Contains(out, "has not been gathered") || !strings.Contains(out, "has not returned") || !strings.Contains(out, "in part") || strings.Contains(out, "hunter2") {
		t.Errorf("reported: %s", out)
	}
}

// TestFaultyRegistryIsCounted: metrics of Config.Registry that are not exported count as lost, so the check named
// telemetry, the panel and the alert show them.
func TestFaultyRegistryIsCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	hang := make(chan struct{})
	close(hang)
	reg.MustRegister(faulty{prometheus.NewDesc("broken", "", nil, nil), hang}) // its metric is an error
	tel, _ := start(t, Config{Registry: reg}, nil)
	for _, p := range tel.native {
		if _, err := p.Produce(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, lost := tel.outcomes.metrics.losses(); lost["registry_error"] != 1 {
		t.Errorf("lost: %v", lost)
	}
}

// producer is a source of one gauge.
type producer struct{ value int64 }

func (p producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	return []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: "test"}, Metrics: []metricdata.Metrics{{
		Name: "stock.size", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Attributes: *attribute.EmptySet(), Value: p.value}}},
	}}}}, nil
}

// TestReadersAndProducers: further readers have the metrics, and those of further producers are on
// /metrics, in rules and in OTLP.
func TestReadersAndProducers(t *testing.T) {
	c := &exportedNames{}
	address := serveMetrics(t, c)
	in := sdkmetric.NewManualReader()
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{{Name: "stock", Value: rule.Last("stock.size"), Fail: rule.Above(5)}}})
	tel, _ := start(t, Config{Health: health, Readers: []sdkmetric.Reader{in}, Producers: []sdkmetric.Producer{producer{9}}}, map[string]string{
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://" + address, "OTEL_METRIC_EXPORT_INTERVAL": "10"})
	if r := result(health.Verdict(), "stock"); r.State != verdict.Fail || r.Reason != "9 of at most 5" {
		t.Errorf("stock: %+v", r)
	}
	if body := scrape(t, tel); !strings.Contains(body, "\nstock_size{") {
		t.Errorf("/metrics lacks stock_size:\n%s", body)
	}
	eventually(t, "it is exported", func() bool { return c.count("stock.size") == 1 })
	var rm metricdata.ResourceMetrics
	if err := in.Collect(t.Context(), &rm); err != nil || len(rm.ScopeMetrics) == 0 {
		t.Errorf("the further reader has %d scopes, %v", len(rm.ScopeMetrics), err)
	}
}

// TestNilReaders: a nil reader or producer is an error by its field.
func TestNilReaders(t *testing.T) {
	_, err := Start(t.Context(), Config{Readers: []sdkmetric.Reader{nil}, Producers: []sdkmetric.Producer{producer{}, nil}})
	if err == nil || !strings.Contains(err.Error(), "Readers[0]") || !strings.Contains(err.Error(), "Producers[1]") {
		t.Errorf("error: %v", err)
	}
}

// TestProducerOfTheRegistry: a Producer that gathers Config.Registry ends in an error, and not in an
// endless recursion.
func TestProducerOfTheRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	tel, log := start(t, Config{Registry: reg, Producers: []sdkmetric.Producer{bridge.NewMetricProducer(bridge.WithGatherer(reg))}}, nil)
	if _, body := metricsOf(t, reg); len(body) > 1<<20 {
		t.Errorf("%d bytes", len(body))
	}
	eventually(t, "it is said", func() bool {
		rm, err := tel.Reader.(*collection).Snapshot(t.Context())
		if _, twice := valueIn(rm, "target_info"); err != nil || twice {
			t.Fatalf("the Producer's metrics are exported: %v", err)
		}
		return strings.Contains(log.String(), errNesting.Error())
	})
}

// TestInvalidCollector: the text of a collector's error is not in the log of a scrape.
func TestInvalidCollector(t *testing.T) {
	reg := prometheus.NewRegistry()
	tel, log := start(t, Config{Registry: reg}, nil)
	reg.MustRegister(invalidCollector{})
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(log.String(), "/metrics") || strings.Contains(log.String(), "hunter2") {
		t.Errorf("log: %s", log)
	}
}

// invalidCollector has a metric without a description.
type invalidCollector struct{}

func (invalidCollector) Describe(chan<- *prometheus.Desc) {}
func (invalidCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(errPassword), errPassword)
}

// TestReaderIsShared: Reader may be collected while the Monitor runs, also with a registry.
func TestReaderIsShared(t *testing.T) {
	reg := prometheus.NewRegistry()
	depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "jobs_depth"})
	reg.MustRegister(depth)
	health := healthcheck.New(healthcheck.Config{Rules: []rule.Rule{{Name: "depth", Value: rule.Last("jobs_depth"), Fail: rule.Above(5)}}})
	tel, _ := start(t, Config{Registry: reg, Health: health}, nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range 50 {
			if remove, err := health.AddRule(rule.Rule{Name: "more", Value: rule.Last("jobs_depth"), Fail: rule.Above(9)}); err == nil {
				remove()
			}
		}
	}()
	for range 50 {
		series(t, tel, "http.server.oldest_request.age")
	}
	<-ended
}
