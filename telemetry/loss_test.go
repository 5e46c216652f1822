package telemetry

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// counter is a collector that counts what it has taken. fate returns what happens to the n-th
// request of a signal: how many items are rejected, and an error.
type counter struct {
	fate   func(ctx context.Context, n int64) (rejected int64, err error)
	items  [3]atomic.Int64 // of metrics, traces and logs
	asked  [3]atomic.Int64
	offers [3]atomic.Int64 // items that have come, also refused ones
}

func (c *counter) take(ctx context.Context, signal int, items int64) (rejected int64, err error) {
	n := c.asked[signal].Add(1)
	c.offers[signal].Add(items)
	if c.fate != nil {
		if rejected, err = c.fate(ctx, n); err != nil {
			return 0, err
		}
	}
	c.items[signal].Add(items - rejected)
	return rejected, nil
}

type countedMetrics struct {
	metricspb.UnimplementedMetricsServiceServer
	*counter
}

func (c countedMetrics) Export(ctx context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	items := 0
	for _, rm := range r.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				items += len(m.GetGauge().GetDataPoints()) + len(m.GetSum().GetDataPoints()) + len(m.GetHistogram().GetDataPoints())
			}
		}
	}
	n, err := c.take(ctx, 0, int64(items))
	return &metricspb.ExportMetricsServiceResponse{PartialSuccess: &metricspb.ExportMetricsPartialSuccess{RejectedDataPoints: n}}, err
}

type countedSpans struct {
	tracepb.UnimplementedTraceServiceServer
	*counter
}

func (c countedSpans) Export(ctx context.Context, r *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	items := 0
	for _, rs := range r.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			items += len(ss.Spans)
		}
	}
	n, err := c.take(ctx, 1, int64(items))
	return &tracepb.ExportTraceServiceResponse{PartialSuccess: &tracepb.ExportTracePartialSuccess{RejectedSpans: n}}, err
}

type countedLogs struct {
	logspb.UnimplementedLogsServiceServer
	*counter
}

func (c countedLogs) Export(ctx context.Context, r *logspb.ExportLogsServiceRequest) (*logspb.ExportLogsServiceResponse, error) {
	items := 0
	for _, rl := range r.ResourceLogs {
		for _, sl := range rl.ScopeLogs {
			items += len(sl.LogRecords)
		}
	}
	n, err := c.take(ctx, 2, int64(items))
	return &logspb.ExportLogsServiceResponse{PartialSuccess: &logspb.ExportLogsPartialSuccess{RejectedLogRecords: n}}, err
}

func (c *counter) serve(t testing.TB) (endpoint string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	metricspb.RegisterMetricsServiceServer(srv, countedMetrics{counter: c})
	tracepb.RegisterTraceServiceServer(srv, countedSpans{counter: c})
	logspb.RegisterLogsServiceServer(srv, countedLogs{counter: c})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return "http://" + l.Addr().String()
}

// lost returns the items that were lost, by reason.
func (o *outcome) losses() (sum int64, reasons map[string]int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	reasons = map[string]int64{}
	for reason, l := range o.lost {
		sum += l.items
		reasons[reason] = l.items
	}
	return sum, reasons
}

// slowly answers after a second.
func slowly(ctx context.Context, _ int64) (int64, error) {
	select {
	case <-time.After(time.Second):
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// TestLossIsCounted: each offered item has arrived or is counted as lost. The collectors are one that takes a second
// for a request, one that refuses some requests and some items, and one that is gone.
func TestLossIsCounted(t *testing.T) {
	const offered = 6000
	picky := func(_ context.Context, n int64) (int64, error) {
		switch n % 3 {
		case 1:
			return 2, nil
		case 2:
			return 0, status.Error(codes.InvalidArgument, "no")
		}
		return 0, nil
	}
	for _, c := range []struct {
		name string
		fate func(context.Context, int64) (int64, error)
		want []string // reasons
	}{
		{"slow", slowly, []string{queueFull}},
		{"picky", picky, []string{"partial_success", "InvalidArgument"}},
		{"gone", func(context.Context, int64) (int64, error) { return 0, status.Error(codes.Unimplemented, "no") }, []string{"Unimplemented"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &counter{fate: c.fate}
			tel, log := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": k.serve(t)})
			var floods sync.WaitGroup
			for range 4 {
				floods.Go(func() {
					for range offered / 4 {
						_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "s", trace.WithNewRoot())
						span.End()
						tel.Logger.Info("l")
					}
				})
			}
			floods.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_ = tel.metrics.ForceFlush(ctx)
			_ = tel.Shutdown(ctx)
			out := tel.outcomes
			for signal, o := range []*outcome{&out.metrics, &out.traces, &out.logs} {
				lost, reasons := o.losses()
				want := int64(offered)
				if o == &out.metrics {
					want = k.offers[0].Load()
				}
				t.Logf("%s: %d = %d + %v", o.signal, want, k.items[signal].Load(), reasons)
				if got := k.items[signal].Load() + lost; got != want {
					t.Errorf("%s: %d have arrived and %v are lost, of %d", o.signal, k.items[signal].Load(), reasons, want)
				}
				for _, reason := range c.want {
					if reasons[reason] == 0 && o != &out.metrics {
						t.Errorf("%s: none is lost by %s: %v", o.signal, reason, reasons)
					}
				}
			}
			if c.name == "slow" && !strings.Contains(log.String(), "because the queue was full: the collector is too slow") {
				t.Error(log)
			}
		})
	}
}

// TestLossIsShown: the check named telemetry fails if a slow collector makes the queue overflow, and
// says why. It changes no answer.
func TestLossIsShown(t *testing.T) {
	k := &counter{fate: slowly}
	health := healthcheck.New(healthcheck.Config{})
	tel, _ := start(t, Config{Health: health}, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": k.serve(t), "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
	await(t, health, func(v *verdict.Verdict) bool { r := result(v, "telemetry"); return r != nil && r.State == verdict.Pass })
	for range 4000 {
		_, span := tel.TracerProvider.Tracer("test").Start(t.Context(), "s", trace.WithNewRoot())
		span.End()
	}
	v := await(t, health, func(v *verdict.Verdict) bool { return result(v, "telemetry").State == verdict.Fail })
	if r := result(v, "telemetry"); !strings.Contains(r.Reason, "queue_full") || v.Readiness.State == verdict.Fail {
		t.Errorf("%q, readiness %v", r.Reason, v.Readiness.State)
	} else {
		t.Log(r.Reason)
	}
	if got := series(t, tel, "telemetry.items.lost"); len(got) != 1 || got["error.type=queue_full,telemetry.signal=traces"] < 1000 {
		t.Errorf("%v", got)
	}
}
