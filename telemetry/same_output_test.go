package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// received keeps the requests with metrics.
type received struct {
	collector
	mu  sync.Mutex
	all []*metricspb.ExportMetricsServiceRequest
}

func (c *received) Export(_ context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, r)
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

// take returns the requests since the last call.
func (c *received) take() []*metricspb.ExportMetricsServiceRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// richViews rename, filter, drop, and aggregate in another way.
func richViews() []sdkmetric.View {
	return []sdkmetric.View{
		sdkmetric.NewView(sdkmetric.Instrument{Name: "rich.exponential"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}}),
		sdkmetric.NewView(sdkmetric.Instrument{Name: "rich.renamed.before"}, sdkmetric.Stream{Name: "rich.renamed.after", Description: "renamed"}),
		sdkmetric.NewView(sdkmetric.Instrument{Name: "rich.filtered"}, sdkmetric.Stream{AttributeFilter: attribute.NewAllowKeysFilter("kept")}),
		sdkmetric.NewView(sdkmetric.Instrument{Name: "rich.dropped"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
	}
}

// enrich makes an instrument of each kind in two scopes, and records to it with and without a sampled
// span. Nothing is left to chance: a reservoir is never full.
func enrich(mp metric.MeterProvider) {
	sampled := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled}))
	at := func(kv ...string) metric.MeasurementOption {
		var all []attribute.KeyValue
		for n := 0; n < len(kv); n += 2 {
			all = append(all, attribute.String(kv[n], kv[n+1]))
		}
		return metric.WithAttributes(all...)
	}
	meters := []metric.Meter{
		mp.Meter("scope/a", metric.WithInstrumentationVersion("1.2.3"), metric.WithSchemaURL("https://example.org/schema/1"),
			metric.WithInstrumentationAttributes(attribute.String("team", "red"), attribute.Int("n", 7), attribute.StringSlice("list", []string{"x", "y"}))),
		mp.Meter("scope/b"),
	}
	for n, m := range meters {
		ctx := []context.Context{sampled, context.Background()}[n]
		must(m.Int64Counter("rich.counter.int", metric.WithUnit("{thing}"), metric.WithDescription("a counter"))).Add(ctx, 3, at("k", "v", "weird.key", "ü\n\"x\""))
		must(m.Float64Counter("rich.counter.float", metric.WithUnit("s"))).Add(ctx, 2.5, at("k", "v"))
		must(m.Int64UpDownCounter("rich.updown", metric.WithUnit("1"))).Add(ctx, -4)
		must(m.Float64UpDownCounter("rich.updown.float", metric.WithUnit("By"))).Add(ctx, 4.25)
		must(m.Int64Gauge("rich.gauge.int")).Record(ctx, 8)
		must(m.Float64Gauge("rich.gauge.float", metric.WithUnit("Cel"))).Record(ctx, 8.5)
		h := must(m.Float64Histogram("rich.histogram", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(.01, .1, 1)))
		i := must(m.Int64Histogram("rich.histogram.int", metric.WithUnit("By")))
		x := must(m.Float64Histogram("rich.exponential", metric.WithUnit("s")))
		for _, v := range []float64{0, .05, .5, 50} {
			h.Record(ctx, v, at("route", "/x"))
			i.Record(ctx, int64(v*100), at("route", "/x"))
			x.Record(ctx, v, at("route", "/x"))
		}
		must(m.Int64Counter("rich.renamed.before")).Add(ctx, 1)
		must(m.Int64Counter("rich.filtered")).Add(ctx, 1, at("kept", "1", "gone", "secret"))
		must(m.Int64Counter("rich.dropped")).Add(ctx, 1)
		must(m.Int64Counter("rich.empty.counter"))
		must(m.Float64Histogram("rich.empty.histogram"))
		must(m.Int64ObservableCounter("rich.observed.counter", metric.WithUnit("ms"), metric.WithDescription("observed"),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				options := []metric.ObserveOption{at("cb", "1")}
				o.Observe(42, options...)
				options[0] = at("cb", "2") // the SDK has read it
				o.Observe(43, options...)
				return nil
			})))
		must(m.Float64ObservableCounter("rich.observed.counter.float", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(1.25)
			return nil
		})))
		must(m.Int64ObservableUpDownCounter("rich.observed.updown.int", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(-2)
			return nil
		}), metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(-3, at("second", "callback"))
			return nil
		})))
		must(m.Float64ObservableUpDownCounter("rich.observed.updown", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(-1.5)
			return nil
		})))
		g1 := must(m.Int64ObservableGauge("rich.observed.gauge.int"))
		g2 := must(m.Float64ObservableGauge("rich.observed.gauge.float", metric.WithUnit("%")))
		must(m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
			o.ObserveInt64(g1, 5, at("multi", "yes"))
			o.ObserveFloat64(g2, 5.5, at("multi", "yes"))
			return nil
		}, g1, g2))
		ended := must(m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
			o.ObserveInt64(g1, 6, at("multi", "unregistered"))
			return nil
		}, g1))
		_ = ended.Unregister()
		must(m.Int64ObservableGauge("rich.observed.silent", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { return nil })))
		over := must(m.Int64Counter("rich.overflow"))
		for n := range 40 {
			over.Add(context.Background(), 1, metric.WithAttributes(attribute.Int("n", n)))
		}
	}
}

// plainProvider is the SDK's provider with the two readers that Start had before: Prometheus'
// exporter, and one that exports with the same exporter.
func plainProvider(t testing.TB, res *resource.Resource, views ...sdkmetric.View) (mp *sdkmetric.MeterProvider, scrape http.Handler, prom *otelprom.Exporter) {
	reg := prometheus.NewRegistry()
	prom = must(otelprom.New(otelprom.WithRegisterer(reg), otelprom.WithTranslationStrategy(translation)))
	x, err := newMetricExporter(t.Context(), readEnvironment().metrics, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	mp = sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithView(views...), sdkmetric.WithReader(prom), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(x)))
	t.Cleanup(func() { _ = mp.Shutdown(context.Background()) })
	return mp, promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError}), prom
}

// TestSameOutput: /metrics in each format and the requests of OTLP are those of a plain provider
// with two readers, for each temporality and aggregation that a variable can choose.
func TestSameOutput(t *testing.T) {
	for name, variables := range map[string]map[string]string{
		"default":   {},
		"delta":     {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"},
		"lowmemory": {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "lowmemory"},
		"base2":     {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram"},
		"always_on": {"OTEL_METRICS_EXEMPLAR_FILTER": "always_on"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &received{}
			variables["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] = "http://" + serveMetrics(t, c)
			variables["OTEL_METRIC_EXPORT_INTERVAL"] = "3600000"
			variables["OTEL_GO_X_CARDINALITY_LIMIT"] = "30"
			variables["OTEL_RESOURCE_ATTRIBUTES"] = "service.instance.id=one,weird.attr=%C3%BC"
			tel, log := start(t, Config{ServiceName: "rich", Views: richViews()}, variables)
			all, err := tel.evidence.(*collection).Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			plain, plainScrape, _ := plainProvider(t, all.Resource, richViews()...)
			enrich(tel.MeterProvider)
			enrich(plain)
			for round := range 3 {
				for _, accept := range []string{"text/plain", "application/openmetrics-text; version=1.0.0",
					"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text"} {
					sameLines(t, accept, scrapedAs(plainScrape, accept), scrapedAs(tel.MetricsHandler(), accept))
				}
				c.take()
				if err := plain.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				want := pointsOfRequests(c.take())
				if err := tel.metrics.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				sameLines(t, "OTLP", want, pointsOfRequests(c.take()))
				if round == 0 && len(want) < 90 {
					t.Errorf("only %d points", len(want))
				}
				must(tel.MeterProvider.Meter("scope/b").Int64Counter("rich.counter.later")).Add(t.Context(), 1)
				must(plain.Meter("scope/b").Int64Counter("rich.counter.later")).Add(t.Context(), 1)
			}
			if twice := strings.Contains(log.String(), "aggregated twice"); twice != (name != "default" && name != "always_on") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func sameLines(t *testing.T, what string, want, got []string) {
	t.Helper()
	if slices.Equal(want, got) {
		return
	}
	difference := func(a, b []string) (lines []string) {
		for _, line := range a {
			if !slices.Contains(b, line) && len(lines) < 10 {
				lines = append(lines, line)
			}
		}
		return lines
	}
	t.Errorf("%s: %d lines instead of %d; missing\n%s\ntoo many\n%s", what, len(got), len(want),
		strings.Join(difference(want, got), "\n"), strings.Join(difference(got, want), "\n"))
}

var (
	times     = regexp.MustCompile(`\b1\.\d+e\+?0?9|\b1\d{9}\.\d+|(seconds|nanos|time_unix_nano): ?\d+`)
	exemplars = regexp.MustCompile(`exemplars:\{.*?\}| # \{.*| exemplar:\{.*?\}\}`)
)

// exemplarLabels are in the order of a map.
var exemplarLabels = regexp.MustCompile(` # \{[^}]*\}`)

func sortedLabels(labels string) string {
	all := strings.Split(labels, ",")
	for n, l := range all {
		all[n] = strings.Trim(l, " #{}")
	}
	slices.Sort(all)
	return " # {" + strings.Join(all, ",") + "}"
}

// scrapedAs returns the lines of enrich's series without times.
func scrapedAs(h http.Handler, accept string) (lines []string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	h.ServeHTTP(w, r)
	for line := range strings.Lines(w.Body.String()) {
		if strings.Contains(line, "rich_") || strings.Contains(line, `"rich`) || strings.Contains(line, "target_info") {
			line = strings.ReplaceAll(times.ReplaceAllString(line, "TIME"), "  ", " ")
			if strings.Contains(line, "rich_overflow") {
				line = exemplars.ReplaceAllString(line, "") // more than a reservoir holds
			}
			lines = append(lines, exemplarLabels.ReplaceAllStringFunc(line, sortedLabels))
		}
	}
	return lines
}

// pointsOfRequests returns enrich's points, sorted and without times.
func pointsOfRequests(requests []*metricspb.ExportMetricsServiceRequest) (all []string) {
	text := func(m proto.Message) string {
		return times.ReplaceAllString(strings.ReplaceAll(string(must(prototext.Marshal(m))), "  ", " "), "TIME")
	}
	for _, r := range requests {
		for _, rm := range r.ResourceMetrics {
			all = append(all, rm.SchemaUrl+" "+text(rm.Resource))
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					if !strings.HasPrefix(m.Name, "rich.") {
						continue
					}
					var points []proto.Message
					switch d := m.Data.(type) {
					case *otlp.Metric_Sum:
						points, d.Sum.DataPoints = messages(d.Sum.DataPoints), nil
					case *otlp.Metric_Gauge:
						points, d.Gauge.DataPoints = messages(d.Gauge.DataPoints), nil
					case *otlp.Metric_Histogram:
						points, d.Histogram.DataPoints = messages(d.Histogram.DataPoints), nil
					case *otlp.Metric_ExponentialHistogram:
						points, d.ExponentialHistogram.DataPoints = messages(d.ExponentialHistogram.DataPoints), nil
					}
					head := strings.Join([]string{text(m), sm.SchemaUrl, text(sm.Scope)}, " ")
					for _, p := range points {
						point := text(p)
						if m.Name == "rich.overflow" {
							point = exemplars.ReplaceAllString(point, "") // more than a reservoir holds
						}
						all = append(all, head+" "+point)
					}
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

func messages[P proto.Message](points []P) (all []proto.Message) {
	for _, p := range points {
		all = append(all, p)
	}
	return all
}
