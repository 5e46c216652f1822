package telemetry

import (
	"context"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// series returns the values of a metric by their attributes, as key=value,key=value.
func series(t *testing.T, tel *Telemetry, name string) map[string]float64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := tel.Reader.(interface {
		Collect(context.Context, *metricdata.ResourceMetrics) error
	}).Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	add := func(set attribute.Set, v float64) { got[set.Encoded(attribute.DefaultEncoder())] = v }
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			default:
				t.Fatalf("%s: %T", name, data)
			}
		}
	}
	return got
}

// collector is a small OTLP server with answers that a test sets.
type collector struct {
	metricspb.UnimplementedMetricsServiceServer
	answer   atomic.Pointer[answer]
	accepted atomic.Int64
}

type answer struct {
	code     codes.Code
	rejected int64
	hang     bool
}

func (c *collector) reply(ctx context.Context) (rejected int64, err error) {
	a := c.answer.Load()
	switch {
	case a.hang:
		<-ctx.Done()
		return 0, ctx.Err()
	case a.code != codes.OK:
		return 0, status.Error(a.code, "as told")
	}
	c.accepted.Add(1)
	return a.rejected, nil
}

func (c *collector) Export(ctx context.Context, _ *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	n, err := c.reply(ctx)
	r := &metricspb.ExportMetricsServiceResponse{}
	if n > 0 {
		r.PartialSuccess = &metricspb.ExportMetricsPartialSuccess{RejectedDataPoints: n, ErrorMessage: "as told"}
	}
	return r, err
}

type traceCollector struct {
	tracepb.UnimplementedTraceServiceServer
	*collector
}

func (c traceCollector) Export(ctx context.Context, _ *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	n, err := c.reply(ctx)
	r := &tracepb.ExportTraceServiceResponse{}
	if n > 0 {
		r.PartialSuccess = &tracepb.ExportTracePartialSuccess{RejectedSpans: n, ErrorMessage: "as told"}
	}
	return r, err
}

type logCollector struct {
	logspb.UnimplementedLogsServiceServer
	*collector
}

func (c logCollector) Export(ctx context.Context, _ *logspb.ExportLogsServiceRequest) (*logspb.ExportLogsServiceResponse, error) {
	n, err := c.reply(ctx)
	r := &logspb.ExportLogsServiceResponse{}
	if n > 0 {
		r.PartialSuccess = &logspb.ExportLogsPartialSuccess{RejectedLogRecords: n, ErrorMessage: "as told"}
	}
	return r, err
}

// serveMetrics serves OTLP metrics by gRPC.
func serveMetrics(t *testing.T, s metricspb.MetricsServiceServer) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	metricspb.RegisterMetricsServiceServer(srv, s)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return l.Addr().String()
}

// serve starts the server. stop ends it and its connections.
func (c *collector) serve(t *testing.T) (address string, stop func()) {
	t.Helper()
	c.answer.Store(&answer{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	metricspb.RegisterMetricsServiceServer(srv, c)
	tracepb.RegisterTraceServiceServer(srv, traceCollector{collector: c})
	logspb.RegisterLogsServiceServer(srv, logCollector{collector: c})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return l.Addr().String(), srv.Stop
}

// TestExportHealth: the process itself shows the results of each signal's exports, for any answer
// of the collector.
func TestExportHealth(t *testing.T) {
	var c collector
	address, stop := c.serve(t)
	tel, log := start(t, Config{}, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + address, "OTEL_LOGS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "3000",
		"OTEL_METRIC_EXPORT_INTERVAL": "3600000", "OTEL_BSP_SCHEDULE_DELAY": "3600000", "OTEL_BLRP_SCHEDULE_DELAY": "3600000",
	})
	if tel.logs == nil {
		t.Fatal("no logs are exported")
	}
	signals := []string{"metrics", "traces", "logs"}
	// export makes some data of each signal and exports it now. The caller of a flush gets its
	// error.
	export := func(well bool) {
		t.Helper()
		_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "a span")
		span.End()
		tel.Logger.Info("a record")
		var flushes sync.WaitGroup
		defer flushes.Wait()
		for _, flush := range []func(context.Context) error{tel.metrics.ForceFlush, tel.traces.ForceFlush, tel.logs.ForceFlush} {
			flushes.Go(func() {
				if err := flush(t.Context()); (err == nil) != well {
					t.Errorf("the flush returned %v", err)
				}
			})
		}
	}
	last := func(signal string) float64 {
		return series(t, tel, "telemetry.export.last_success.timestamp")["telemetry.signal="+signal]
	}
	failures := func(signal, class string) float64 {
		return series(t, tel, "telemetry.export.failures")["error.type="+class+",telemetry.signal="+signal]
	}
	if got := series(t, tel, "telemetry.export.last_success.timestamp"); len(got) != 0 {
		t.Errorf("successes before any export: %v", got)
	}
	succeed := func() {
		t.Helper()
		c.answer.Store(&answer{})
		before := time.Now().Truncate(time.Millisecond)
		export(true)
		for _, signal := range signals {
			if at := last(signal); at < float64(before.UnixMilli())/1e3 || at > float64(time.Now().UnixMilli())/1e3 {
				t.Errorf("%s: the last success was at %f, want since %v", signal, at, before)
			}
		}
	}
	succeed()
	if got := series(t, tel, "telemetry.export.failures"); len(got) != 0 {
		t.Errorf("failures: %v", got)
	}
	if n := c.accepted.Load(); n != 3 {
		t.Errorf("%d exports have come, want 3", n)
	}
	// fail makes an export that fails with one of the classes.
	fail := func(classes ...string) {
		t.Helper()
		good, before := map[string]float64{}, map[string]float64{}
		of := func(signal string) (n float64) {
			for _, class := range classes {
				n += failures(signal, class)
			}
			return n
		}
		for _, signal := range signals {
			good[signal], before[signal] = last(signal), of(signal)
		}
		time.Sleep(2 * time.Millisecond) // the timestamp is in milliseconds
		export(false)
		for _, signal := range signals {
			if n := of(signal) - before[signal]; n != 1 {
				t.Errorf("%s: %v failures of type %v, want 1 (%v)", signal, n, classes, series(t, tel, "telemetry.export.failures"))
			}
			if last(signal) != good[signal] {
				t.Errorf("%s: a failure moved the last success", signal)
			}
		}
	}
	for _, step := range []struct {
		class string
		answer
	}{
		{"partial_success", answer{rejected: 3}},
		{"InvalidArgument", answer{code: codes.InvalidArgument}},
		{"PermissionDenied", answer{code: codes.PermissionDenied}},
		{"timeout", answer{hang: true}},
	} {
		c.answer.Store(&step.answer)
		fail(step.class)
		succeed()
	}
	stop()
	fail("Unavailable", "timeout") // refused; on a busy machine the time ends first
	if out := log.String(); !strings.Contains(out, "OpenTelemetry: ") {
		t.Errorf("log: %s", out)
	}
}

// TestFirstFailureIsLogged: the first failure is logged at once, while the export is retried.
func TestFirstFailureIsLogged(t *testing.T) {
	var c collector
	address, _ := c.serve(t)
	tel, log := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + address, "OTEL_METRICS_EXPORTER": "none"})
	c.answer.Store(&answer{code: codes.Unavailable})
	_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "a span")
	span.End()
	flushed := make(chan error, 1)
	go func() { flushed <- tel.traces.ForceFlush(t.Context()) }()
	for !strings.Contains(log.String(), "code = Unavailable desc = as told") {
		select {
		case err := <-flushed:
			t.Fatalf("the export has ended (%v) and nothing was told: %s", err, log)
		case <-time.After(10 * time.Millisecond):
		}
	}
	c.answer.Store(&answer{})
	if err := <-flushed; err != nil || c.accepted.Load() != 1 {
		t.Errorf("the span is lost: %v", err)
	}
}

// TestReconnectsSoon: the exporter tries to reconnect every few seconds, and not every two minutes
// as gRPC does by default. The ninth attempt comes after about 13 s; with gRPC's own intervals it
// comes after a minute.
func TestReconnectsSoon(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const attempts = 9
	seen := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			seen <- struct{}{}
		}
	}()
	defer l.Close()
	tel, _ := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://" + l.Addr().String()})
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	_, span := tel.TracerProvider.Tracer("test").Start(ctx, "a span")
	span.End()
	go func() { _ = tel.traces.ForceFlush(ctx) }()
	for n := range attempts {
		select {
		case <-seen:
		case <-ctx.Done():
			t.Fatalf("%d attempts in 40 s, want %d", n, attempts)
		}
	}
}

var update = flag.Bool("update", false, "write testdata")

// TestInstruments compares every instrument with a file: its kind, unit, attributes and
// description. Dashboards and alerts depend on them.
func TestInstruments(t *testing.T) {
	var c collector
	address, _ := c.serve(t)
	tel, _ := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + address, "OTEL_PROPAGATORS": "b3"})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jobs/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("short"))
	})
	tel.Instrument(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/jobs/1", nil))
	tel.Logger.Info("caf\xe9")
	countOne(t, tel, "jobs.done")
	countOne(t, tel, "jobs_done")
	scrape(t, tel)
	if err := tel.logs.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tel.metrics.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.answer.Store(&answer{code: codes.InvalidArgument})
	if err := tel.metrics.ForceFlush(t.Context()); err == nil {
		t.Fatal("the export succeeded")
	}
	var rm metricdata.ResourceMetrics
	if err := tel.Reader.(interface {
		Collect(context.Context, *metricdata.ResourceMetrics) error
	}).Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	rm.ScopeMetrics = slices.DeleteFunc(rm.ScopeMetrics, func(sm metricdata.ScopeMetrics) bool { return sm.Scope.Name == "test" })
	if err := pin(table(&rm), "testdata/instruments.txt", *update); err != nil {
		t.Error(err)
	}
}
