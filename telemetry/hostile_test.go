package telemetry

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
)

// TestNilConfig: a nil value is an error of Start and not a panic, also a nil pointer in an interface.
func TestNilConfig(t *testing.T) {
	var registry *prometheus.Registry
	var manual *sdkmetric.ManualReader
	var periodic *sdkmetric.PeriodicReader
	for want, cfg := range map[string]Config{
		"Registry: is a nil pointer": {Registry: registry},
		"Readers[0]: is nil":         {Readers: []sdkmetric.Reader{manual}},
		"Readers[1]: is nil":         {Readers: []sdkmetric.Reader{sdkmetric.NewManualReader(), periodic}},
		"Views[0]: is nil":           {Views: []sdkmetric.View{nil}},
		"panic of runtime error":     {Readers: []sdkmetric.Reader{&sdkmetric.ManualReader{}}}, // without New
		"telemetry: ":                {Registry: promhealth.Join(nil, nil)},
	} {
		for range 2 { // a failed start leaves nothing behind
			tel, err := Start(t.Context(), cfg)
			if tel != nil || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

// TestRefusedEndpoint: a service starts even if an endpoint is invalid in a way that only the exporter detects.
func TestRefusedEndpoint(t *testing.T) {
	const variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tel, log := start(t, Config{}, map[string]string{variable: "http://[fe80::1%25eth0]:4317"}) // gRPC's resolver refuses the zone
	body := scrape(t, tel)
	if !strings.Contains(body, `telemetry_variable="`+variable+`"`) || !strings.Contains(log.String(), "variable="+variable) || !strings.Contains(log.String(), "export is off") {
		t.Errorf("log: %s\n%s", log, body)
	}
	if _, err := Start(t.Context(), Config{Strict: true}); err == nil || !strings.Contains(err.Error(), variable+"=") {
		t.Errorf("a strict start: %v", err)
	}
}

// TestRedirect: an export follows no redirect. The headers have the key of the collector, and a
// redirected POST arrives as a GET without data, which another server answers with 200.
func TestRedirect(t *testing.T) {
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		var asked atomic.Int32
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		defer other.Close()
		collector := httptest.NewServer(http.RedirectHandler(other.URL, status))
		defer collector.Close()
		tel, _ := start(t, Config{}, map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter2",
		})
		_, span := tel.TracerProvider.Tracer("x").Start(t.Context(), "span")
		span.End()
		_ = tel.TracerProvider.(*sdktrace.TracerProvider).ForceFlush(t.Context())
		if want := fmt.Sprintf(`telemetry_items_lost_total{error_type="%d"`, status); !strings.Contains(scrape(t, tel), want) {
			t.Errorf("no %s in\n%s", want, scrape(t, tel))
		}
		_ = tel.Close()
		if n := asked.Load(); n != 0 {
			t.Errorf("%d requests have followed a %d", n, status)
		}
	}
}

type producerFunc func() []metricdata.ScopeMetrics

func (f producerFunc) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return f(), nil }

// TestMalformedMetrics: of a Producer, only a malformed metric is missing in rules, on /metrics and in OTLP. Its other
// metrics stay, and the data that it has returned is not changed.
func TestMalformedMetrics(t *testing.T) {
	now := time.Now()
	histogram := func(bounds []float64, counts ...uint64) metricdata.Aggregation {
		return metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality,
			DataPoints: []metricdata.HistogramDataPoint[float64]{{StartTime: now, Time: now, Count: 1, Bounds: bounds, BucketCounts: counts}}}
	}
	for name, c := range map[string]struct {
		data metricdata.Aggregation
		why  string
	}{
		"nil":            {nil, "has data of type <nil>"},
		"pointer":        {(*metricdata.Gauge[int64])(nil), "has data of type *metricdata.Gauge[int64]"},
		"few counts":     {histogram([]float64{1, 2}, 1), "has 1 counts for 2 bounds"},
		"no counts":      {histogram([]float64{1, 2}), "has 0 counts for 2 bounds"},
		"many counts":    {histogram([]float64{1}, 1, 0, 0), "has 3 counts for 1 bounds"},
		"equal bounds":   {histogram([]float64{1, 1}, 1, 0, 0), "has bounds that do not increase"},
		"a NaN bound":    {histogram([]float64{math.NaN()}, 1, 0), "has bounds that do not increase"},
		"no temporality": {metricdata.Sum[float64]{DataPoints: []metricdata.DataPoint[float64]{{Time: now}}}, "is neither cumulative nor delta"},
	} {
		t.Run(name, func(t *testing.T) {
			made := []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{
				{Name: "bad", Data: c.data}, {Name: "good", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Value: 42, Time: now}}}},
			}}}
			tel, log := start(t, Config{Producers: []sdkmetric.Producer{producerFunc(func() []metricdata.ScopeMetrics { return made })}}, nil)
			first := scrape(t, tel)
			body := scrape(t, tel) // with the loss of the first
			for _, want := range []string{"\ngood{", "\ngo_memory", `error_type="producer_error"`} {
				if !strings.Contains(body, want) {
					t.Errorf("no %q after\n%s\nin\n%s", want, first, body)
				}
			}
			if made[0].Metrics[0].Name != "bad" {
				t.Error("what the Producer has returned was changed")
			}
			_ = tel.Close() // writes what is to be told
			if want := "returns bad, which is left out because it " + c.why; !strings.Contains(log.String(), want) {
				t.Errorf("no %q in the log: %s", want, log)
			}
		})
	}
}

// TestNilCallback: a nil callback has no effect. The SDK would call it at every collection.
func TestNilCallback(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	meter := tel.MeterProvider.Meter("x")
	if _, err := meter.Int64ObservableGauge("int.gauge", metric.WithInt64Callback(nil)); err != nil {
		t.Error(err)
	}
	gauge, err := meter.Float64ObservableGauge("float.gauge", metric.WithFloat64Callback(nil), metric.WithUnit("s"),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error { o.Observe(1); return nil }))
	if err != nil {
		t.Error(err)
	}
	if _, err := meter.RegisterCallback(nil, gauge); err == nil {
		t.Error("RegisterCallback takes nil")
	}
	if body := scrape(t, tel); !strings.Contains(body, "\nfloat_gauge_seconds{") || strings.Contains(body, "telemetry_items_lost") {
		t.Error(body)
	}
}

// TestGoexitIsRecorded: a request whose handler ends its goroutine is in the duration, as the client
// has seen it: without an answer, or with a part of one.
func TestGoexitIsRecorded(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	mux := http.NewServeMux()
	mux.HandleFunc("/before", func(http.ResponseWriter, *http.Request) { runtime.Goexit() })
	mux.HandleFunc("/after", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); runtime.Goexit() })
	srv := httptest.NewServer(tel.Instrument(mux))
	defer srv.Close()
	for _, path := range []string{"/before", "/after"} {
		res, err := srv.Client().Get(srv.URL + path)
		if err == nil {
			res.Body.Close()
		}
	}
	srv.Close() // waits for the handlers
	body := scrape(t, tel)
	for _, want := range []string{`error_type="aborted",http_request_method="GET",http_response_status_code="500",http_route="/before"`,
		`error_type="aborted",http_request_method="GET",http_response_status_code="200",http_route="/after"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

// TestLongPattern: a router that sets a client's path as the pattern keeps at most 1 KiB of it.
func TestLongPattern(t *testing.T) {
	tel, _ := start(t, Config{}, nil)
	h := tel.Instrument(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Pattern = r.URL.Path }))
	path := "/" + strings.Repeat("a", 1<<20)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	if body := scrape(t, tel); len(body) > 100<<10 || !strings.Contains(body, "aaa…\"") {
		t.Errorf("/metrics has %d bytes", len(body))
	}
	for pattern := range *tel.routes.all.Load() {
		if len(pattern) > 1<<10 {
			t.Errorf("a pattern of %d bytes is kept", len(pattern))
		}
	}
}

// TestLastFault: Close waits until the last fault is reported, within its time.
func TestLastFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := make(chan struct{})
		tell := func(error) { <-handler }
		f := &faults{count: func(string) {}, tell: tell}
		f.end(t.Context()) // nothing to wait for
		f.report(&fault{how: "panic"}, "callback", "x")
		ended := false
		go func() { f.end(context.Background()); ended = true }()
		if synctest.Wait(); ended {
			t.Error("ended before the handler has the line")
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		f.end(short)
		close(handler)
		if synctest.Wait(); !ended {
			t.Error("not ended, although all is told")
		}
	})
}
