package healthcheck

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/peers"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
)

// TestInstruments compares every instrument with a file: its kind, unit, attributes and
// description. Dashboards and alerts depend on them, so a change here affects every user.
func TestInstruments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		k := newKit(t, Config{
			Peers:        "orders-peers:8000",
			OverrideFile: filepath.Join(t.TempDir(), "overrides"),
			Checks: []Check{{Name: "database", Interval: time.Second, FailureThreshold: 1, SuccessThreshold: 1, Func: func(context.Context) error {
				if down.Load() {
					return errDown
				}
				return nil
			}}},
			Rules: []rule.Rule{{Name: "queue", Value: rule.Last("queue.length"), Fail: rule.Above(80), Warn: rule.Above(50)}},
		})
		k.network = peers.Network{
			Lookup: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, 1})}, nil
			},
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED },
		}
		q := k.Queue("jobs", 100, func() int { return 0 })
		t.Setenv("HEALTH_OVERRIDES", "queue=show,worker=shadow")
		k.Heartbeat("worker", 0)
		k.start()
		q.Waited(t.Context(), time.Second)
		wait(1500 * time.Millisecond)
		down.Store(true)
		wait(time.Second)
		var rm metricdata.ResourceMetrics
		if err := k.reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		if err := pin(table(&rm), "testdata/instruments.txt", *update); err != nil {
			t.Error(err)
		}
	})
}

// TestValues checks the numbers of one check through a failure and a recovery.
func TestValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		k := newKit(t, ofChecks(Check{Name: "database", Interval: 10 * time.Second, Timeout: 3 * time.Second, FailureThreshold: 1, SuccessThreshold: 1,
			Func: func(context.Context) error {
				if down.Load() {
					return errDown
				}
				return nil
			}}))
		start := time.Now()
		k.start()
		name := conventions.CheckName.String("database")
		value := func(metric string) float64 { return k.metric(metric, name) }
		wait(time.Second)
		for metric, want := range map[string]float64{
			"health.check.interval": 10, "health.check.timeout": 3, "health.check.consecutive_failures": 0,
			"health.check.last_run.timestamp": export.Unix(start), "health.check.last_success.timestamp": export.Unix(start),
			"health.check.last_transition.timestamp": -1, // the first state is not a transition
		} {
			if got := value(metric); got != want {
				t.Errorf("at first %s is %v, want %v", metric, got, want)
			}
		}
		down.Store(true)
		wait(21 * time.Second)
		success := value("health.check.last_success.timestamp")
		run, moved := value("health.check.last_run.timestamp"), value("health.check.last_transition.timestamp")
		if success != export.Unix(start) || run <= success || moved <= success || moved > run {
			t.Errorf("success %v, run %v, transition %v", success, run, moved)
		}
		if n := k.metric("health.check.transitions", name, conventions.CheckState.String("fail")); n != 1 {
			t.Errorf("%v transitions to fail", n)
		}
		if n := k.metric("health.probe.transitions", conventions.ProbeName.String("readiness"), conventions.ProbeState.String("fail")); n != 1 {
			t.Errorf("%v transitions of readiness to fail", n)
		}
		if n := k.metric("health.lifecycle.status", conventions.Lifecycle.String("running")); n != 1 {
			t.Errorf("running is %v", n)
		}
		down.Store(false)
		wait(11 * time.Second)
		if n := k.metric("health.check.transitions", name, conventions.CheckState.String("pass")); n != 1 {
			t.Errorf("%v transitions to pass", n)
		}
	})
}

// TestSpans: each run has a root span, which the check gets. The span has the class of the error,
// not its text.
func TestSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record := tracetest.NewSpanRecorder()
		tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(record))
		k := newKit(t, ofChecks(Check{Name: "database", Interval: time.Second, Func: func(ctx context.Context) error {
			_, span := tp.Tracer("driver").Start(ctx, "SELECT")
			span.End()
			return errDown
		}}))
		k.pipeline.TracerProvider = tp
		ctx, outer := tp.Tracer("main").Start(t.Context(), "main") // the runs are not part of this trace
		k.startIn(ctx)
		outer.End()
		wait(100 * time.Millisecond)
		var run, query sdktrace.ReadOnlySpan
		for _, s := range record.Ended() {
			switch s.Name() {
			case "SELECT":
				query = s
			case "health.check database":
				run = s
			}
		}
		if run == nil || query == nil {
			t.Fatalf("%d spans", len(record.Ended()))
		}
		if run.Parent().IsValid() || query.Parent().SpanID() != run.SpanContext().SpanID() {
			t.Errorf("%s: parent %v; the query's parent %v", run.Name(), run.Parent(), query.Parent())
		}
		if s := run.Status(); s.Code != codes.Error || s.Description != "*errors.errorString" {
			t.Errorf("status %+v", s)
		}
		if text := fmt.Sprint(run.Attributes(), run.Events()); strings.Contains(text, "hunter2") || !strings.Contains(text, "error.type") {
			t.Errorf("attributes %s", text)
		}
	})
}
