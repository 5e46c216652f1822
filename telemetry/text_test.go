package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// sink is an OTLP server, with the defaults of gRPC, that keeps all requests.
type sink struct {
	metricspb.UnimplementedMetricsServiceServer
	mu      sync.Mutex
	metrics []*metricspb.ExportMetricsServiceRequest
	traces  []*tracepb.ExportTraceServiceRequest
	logs    []*logspb.ExportLogsServiceRequest
	refuse  int // the number of the request for metrics that is refused; 0 for none
	asked   int
}

func (s *sink) Export(_ context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked++; s.asked == s.refuse {
		return nil, errors.New("refused")
	}
	s.metrics = append(s.metrics, r)
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

type traceSink struct {
	tracepb.UnimplementedTraceServiceServer
	*sink
}

func (s traceSink) Export(_ context.Context, r *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traces = append(s.traces, r)
	return &tracepb.ExportTraceServiceResponse{}, nil
}

type logSink struct {
	logspb.UnimplementedLogsServiceServer
	*sink
}

func (s logSink) Export(_ context.Context, r *logspb.ExportLogsServiceRequest) (*logspb.ExportLogsServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs = append(s.logs, r)
	return &logspb.ExportLogsServiceResponse{}, nil
}

func (s *sink) serve(t *testing.T, http bool) map[string]string {
	t.Helper()
	if http {
		srv := httptest.NewServer(s)
		t.Cleanup(srv.Close)
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": srv.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	metricspb.RegisterMetricsServiceServer(srv, s)
	tracepb.RegisterTraceServiceServer(srv, traceSink{sink: s})
	logspb.RegisterLogsServiceServer(srv, logSink{sink: s})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + l.Addr().String()}
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	read := func(m proto.Message) {
		if err == nil {
			err = proto.Unmarshal(data, m)
		}
	}
	switch r.URL.Path {
	case "/v1/metrics":
		m := &metricspb.ExportMetricsServiceRequest{}
		if read(m); err == nil {
			_, err = s.Export(r.Context(), m)
		}
	case "/v1/traces":
		m := &tracepb.ExportTraceServiceRequest{}
		if read(m); err == nil {
			_, err = traceSink{sink: s}.Export(r.Context(), m)
		}
	case "/v1/logs":
		m := &logspb.ExportLogsServiceRequest{}
		if read(m); err == nil {
			_, err = logSink{sink: s}.Export(r.Context(), m)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// seen is everything of one signal as JSON, without spaces.
func (s *sink) seen(signal string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all strings.Builder
	add := func(m proto.Message) {
		b, err := protojson.Marshal(m)
		all.Write(b)
		if err != nil {
			fmt.Fprint(&all, err)
		}
	}
	switch signal {
	case "metrics":
		for _, m := range s.metrics {
			add(m)
		}
	case "traces":
		for _, m := range s.traces {
			add(m)
		}
	case "logs":
		for _, m := range s.logs {
			add(m)
		}
	}
	return strings.ReplaceAll(all.String(), " ", "")
}

const bad, mended = "caf\xe9", "caf\uFFFD"

// producer has metrics of every kind with bad texts, as a bridge may have.
type badProducer struct{}

func (badProducer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	set := attribute.NewSet(attribute.String("k", bad))
	exemplars := []metricdata.Exemplar[float64]{{FilteredAttributes: []attribute.KeyValue{attribute.String("dropped", bad)}}}
	return []metricdata.ScopeMetrics{{
		Scope: instrumentation.Scope{Name: "scope-" + bad, Version: bad, Attributes: set},
		Metrics: []metricdata.Metrics{
			{Name: "gauge-" + bad, Description: bad, Unit: bad, Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Attributes: set, Exemplars: exemplars}}}},
			{Name: "histogram", Data: metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality,
				DataPoints: []metricdata.HistogramDataPoint[float64]{{Attributes: set, Exemplars: exemplars, BucketCounts: []uint64{0}}}}},
			{Name: "exponential", Data: metricdata.ExponentialHistogram[float64]{Temporality: metricdata.CumulativeTemporality,
				DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{Attributes: set, Exemplars: exemplars}}}},
			{Name: "summary", Data: metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{Attributes: set}}}},
		},
	}}, nil
}

// TestInvalidTexts: a text that is not UTF-8 is mended wherever it is, and everything arrives.
func TestInvalidTexts(t *testing.T) {
	for _, http := range []bool{false, true} {
		t.Run(fmt.Sprintf("http %v", http), func(t *testing.T) {
			var s sink
			env := s.serve(t, http)
			env["OTEL_RESOURCE_ATTRIBUTES"] = "owner=caf%E9,k\xff=v"
			tel, log := start(t, Config{ServiceName: "orders", SpanDetails: true, Producers: []sdkmetric.Producer{badProducer{}}, SetGlobals: false}, env)

			counter, err := tel.MeterProvider.Meter("meter-" + bad).Int64Counter("jobs")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // cumulative metrics come again
				counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("file", bad), attribute.StringSlice("files", []string{"ok", bad}), attribute.String("key-"+bad, "v")))
				if err := tel.metrics.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
			}
			_, span := tel.TracerProvider.Tracer("tracer-"+bad).Start(t.Context(), "name-"+bad,
				trace.WithAttributes(attribute.String("file", bad)), trace.WithLinks(trace.Link{Attributes: []attribute.KeyValue{attribute.String("link", bad)}}))
			span.AddEvent("event-"+bad, trace.WithAttributes(attribute.String("in-event", bad)))
			span.SetStatus(1, "status-"+bad)
			span.End()
			_, span = tel.TracerProvider.Tracer("test").Start(t.Context(), "healthy")
			span.End()
			if err := tel.traces.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
			tel.Logger.WithGroup("group-"+bad).Info("body-"+bad, "file", bad, "files", []string{bad}, slog.Group("inner", "deep", bad), "bytes", []byte(bad))
			tel.Logger.Info("changed", "event.name", "event-"+bad)
			var r otellog.Record
			r.SetSeverityText("severity-" + bad)
			r.SetBody(attribute.MapValue(attribute.Slice("list", attribute.StringValue("in-"+bad))))
			tel.loggers.Logger("scope-"+bad, otellog.WithInstrumentationVersion(bad)).Emit(t.Context(), r)
			if err := tel.logs.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
			counts := series(t, tel, "telemetry.export.mended_texts")
			if err := tel.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			// Of each signal: the 2 texts of the resource. The provider adds its bad key again, so it
			// counts at each export of metrics, for each span, and for each batch of records.
			// Metrics: twice 4 of the counter and 13 of the producer. Spans: 7. Records: 10.
			for signal, want := range map[string]float64{"metrics": 2 + 2*(4+13+1), "traces": 2 + 7 + 2, "logs": 2 + 10 + 1} {
				if got := counts["telemetry.signal="+signal]; got != want {
					t.Errorf("%s: %v texts are counted, want %v", signal, got, want)
				}
			}

			for signal, parts := range map[string][]string{
				"metrics": {`"owner","value":{"stringValue":"caf�"`, `"k�"`, `"scope-caf�","version":"caf�"`, `"meter-caf�"`, `"gauge-caf�","description":"caf�","unit":"caf�"`,
					`"jobs"`, `"file","value":{"stringValue":"caf�"}`, `{"stringValue":"ok"},{"stringValue":"caf�"}`, `"key-caf�"`, `"dropped","value":{"stringValue":"caf�"}`,
					`"histogram"`, `"exponential"`, `"summary"`, `go.goroutine.count`},
				"traces": {`"owner","value":{"stringValue":"caf�"`, `"tracer-caf�"`, `"name-caf�"`, `"event-caf�"`, `"status-caf�"`, `"link","value":{"stringValue":"caf�"}`,
					`"in-event","value":{"stringValue":"caf�"}`, `"healthy"`},
				"logs": {`"owner","value":{"stringValue":"caf�"`, `"body-caf�"`, `"group-caf�"`, `"deep","value":{"stringValue":"caf�"}`, `"event-caf�"`, `"scope-caf�"`,
					`"severity-caf�"`, `"in-caf�"`},
			} {
				got := s.seen(signal)
				for _, part := range parts {
					if !strings.Contains(got, part) {
						t.Errorf("%s: no %s in\n%s", signal, part, got)
					}
				}
				if n := strings.Count(log.String(), "signal="+signal+" "); n != 1 {
					t.Errorf("%s: it is said %d times: %s", signal, n, log)
				}
			}
			if n := strings.Count(log.String(), "U+FFFD"); n != 4 || strings.Contains(log.String(), "OpenTelemetry: ") || !utf8.ValidString(log.String()) {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// TestMendedSeries: two series that differ only in invalid bytes become one, with the counts of both.
func TestMendedSeries(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	counter, _ := meter.Int64Counter("counter")
	histogram, _ := meter.Float64Histogram("histogram")
	gauge, _ := meter.Float64Gauge("gauge")
	for n, s := range []string{"a\xfe", "a\xff", "ok"} {
		set := metric.WithAttributes(attribute.String("k", s))
		counter.Add(t.Context(), int64(n+1), set)
		histogram.Record(t.Context(), float64(n+1), set)
		gauge.Record(t.Context(), float64(n+1), set)
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(rm)
	var m mender
	got := map[string]string{}
	for _, one := range m.metrics(&rm).ScopeMetrics[0].Metrics {
		var points []string
		switch d := one.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range d.DataPoints {
				points = append(points, fmt.Sprint(p.Attributes.Encoded(attribute.DefaultEncoder()), p.Value))
			}
		case metricdata.Gauge[float64]:
			for _, p := range d.DataPoints {
				points = append(points, fmt.Sprint(p.Attributes.Encoded(attribute.DefaultEncoder()), p.Value))
			}
		case metricdata.Histogram[float64]:
			for _, p := range d.DataPoints {
				low, _ := p.Min.Value()
				high, _ := p.Max.Value()
				points = append(points, fmt.Sprint(p.Attributes.Encoded(attribute.DefaultEncoder()), p.Count, p.Sum, low, high, p.BucketCounts[1]))
			}
		}
		slices.Sort(points)
		got[one.Name] = strings.Join(points, " ")
	}
	for name, want := range map[string]string{"counter": "k=a�3 k=ok3", "gauge": "k=a�2 k=ok3", "histogram": "k=a�2 3 1 2 2 k=ok1 3 3 3 1"} {
		if got[name] != want {
			t.Errorf("%s: %s; want %s", name, got[name], want)
		}
	}
	if fmt.Sprint(rm) != before {
		t.Error("the SDK's data has changed")
	}
}

// TestValidTextsAllocate: looking through valid data allocates nothing.
func TestValidTextsAllocate(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	counter, _ := meter.Int64Counter("counter")
	histogram, _ := meter.Float64Histogram("histogram")
	for n := range 100 {
		set := metric.WithAttributes(attribute.Int("n", n), attribute.String("k", "v"))
		counter.Add(t.Context(), 1, set)
		histogram.Record(t.Context(), 1, set)
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	span := tracetest.SpanStub{Name: "name", Attributes: []attribute.KeyValue{attribute.String("k", "v")}, Events: []sdktrace.Event{{Name: "event"}}}.Snapshot()
	var r sdklog.Record
	r.SetBody(attribute.StringValue("body"))
	r.SetTimestamp(time.Now())
	r.AddAttributes(attribute.String("k", "v"))
	if n := testing.AllocsPerRun(100, func() {
		if !validMetrics(&rm) || !validSpan(span) || !validRecord(&r) {
			t.Fatal("it is not valid")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
