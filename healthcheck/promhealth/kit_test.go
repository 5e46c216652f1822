package promhealth

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	leaktest.Main(m)
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// begin starts a Monitor. It stops at the end of the test.
func begin(t *testing.T, reg Registry, rules ...rule.Rule) *healthcheck.Monitor {
	t.Helper()
	return beginWith(t, reg, healthcheck.Config{Rules: rules})
}

func beginWith(t *testing.T, reg Registry, c healthcheck.Config) *healthcheck.Monitor {
	t.Helper()
	m := healthcheck.New(c)
	if err := Start(t.Context(), m, reg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return m
}

// pass lets time pass in a bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// judged returns the result of a rule.
func judged(t *testing.T, m *healthcheck.Monitor, name string) verdict.Result {
	t.Helper()
	for _, r := range m.Verdict().Results {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no rule %s", name)
	return verdict.Result{}
}

// want checks a rule's state, and that its reason contains a text.
func want(t *testing.T, m *healthcheck.Monitor, name string, state verdict.State, text string) {
	t.Helper()
	r := judged(t, m, name)
	if r.State != state || !strings.Contains(r.Reason, text) || text == "" && r.Reason != "" {
		t.Errorf("%s is %s %q; want %s %q", name, r.State, r.Reason, state, text)
	}
}

// wantValue checks the value of a rule that passes.
func wantValue(t *testing.T, m *healthcheck.Monitor, name string, value float64) {
	t.Helper()
	r := judged(t, m, name)
	if r.State != verdict.Pass || r.Value == nil || *r.Value != value {
		t.Errorf("%s is %s %q, value %v; want pass, %v", name, r.State, r.Reason, r.Value, value)
	}
}

func scrape(t *testing.T, g prometheus.Gatherer) (code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(g, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Code, w.Body.String()
}

var buckets = []float64{.05, .1, .25, .5, 1, 2.5}

// half is half a second, a boundary of buckets.
const half = 500 * time.Millisecond

func latency(name string, fail time.Duration) rule.Rule {
	return rule.Rule{Name: "latency", Value: rule.Quantile(.99, name), Fail: rule.Above(fail)}
}

func histogramVec(name string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: "h", Buckets: buckets}, []string{"code"})
}

// faultyCollector is a collector of one family with a behaviour that a test sets.
type faultyCollector struct {
	desc *prometheus.Desc
	mu   sync.Mutex
	do   func(ch chan<- prometheus.Metric)
	n    int
}

func newFaultyCollector(name string) *faultyCollector {
	m := &faultyCollector{desc: prometheus.NewDesc(name, "m", nil, nil)}
	m.will(m.fine)
	return m
}

func (m *faultyCollector) fine(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, 1)
}

func (m *faultyCollector) will(do func(ch chan<- prometheus.Metric)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.do = do
}

// asked returns how often it was asked.
func (m *faultyCollector) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

func (m *faultyCollector) Describe(ch chan<- *prometheus.Desc) { ch <- m.desc }

func (m *faultyCollector) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	do := m.do
	m.n++
	m.mu.Unlock()
	do(ch)
}

// collectorFunc is a collector of the families in descs. Without descs it is unchecked. It can't be
// compared.
type collectorFunc struct {
	descs   []*prometheus.Desc
	collect func(ch chan<- prometheus.Metric)
}

func (c collectorFunc) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

func (c collectorFunc) Collect(ch chan<- prometheus.Metric) { c.collect(ch) }

// several is a collector of gauges with the value 1.
func several(names ...string) collectorFunc {
	c := collectorFunc{}
	for _, name := range names {
		c.descs = append(c.descs, prometheus.NewDesc(name, "s", nil, nil))
	}
	c.collect = func(ch chan<- prometheus.Metric) {
		for _, d := range c.descs {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, 1)
		}
	}
	return c
}

func numbers(t *testing.T, data metricdata.Aggregation) []metricdata.DataPoint[float64] {
	t.Helper()
	sum, is := data.(metricdata.Sum[float64])
	if !is || !sum.IsMonotonic {
		t.Fatalf("%T is no counter", data)
	}
	return sum.DataPoints
}
