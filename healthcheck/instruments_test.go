package healthcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/run"
)

// TestInstruments pins every instrument with its kind, unit, attributes and
// description: dashboards and alerts stand on them, so a change here is a change
// for every user.
func TestInstruments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		k := newKit(t,
			Check{Name: "database", Role: Core, Interval: time.Second, Failures: 1, Successes: 1, Func: func(context.Context) error {
				if down.Load() {
					return errDown
				}
				return nil
			}},
			Check{Name: "queue", Limit: Last("queue.length").AtMost(80).WarnAbove(50)})
		q, err := NewQueue(k.provider, "jobs", 100, func() int { return 0 })
		if err != nil {
			t.Fatal(err)
		}
		q.Waited(t.Context(), time.Second)
		k.Heartbeat("worker", 0)
		t.Setenv("HEALTH_EFFECTS", "queue=off")
		k.start()
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

// TestValues follows the numbers of one check through a failure and back.
func TestValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		k := newKit(t, Check{Name: "database", Role: Core, Interval: 10 * time.Second, Timeout: 3 * time.Second, Failures: 1, Successes: 1,
			Func: func(context.Context) error {
				if down.Load() {
					return errDown
				}
				return nil
			}})
		start := time.Now()
		k.start()
		name := attr.CheckName.String("database")
		value := func(metric string) float64 { return k.metric(metric, name) }
		wait(time.Second)
		for metric, want := range map[string]float64{
			"health.check.interval": 10, "health.check.timeout": 3, "health.check.consecutive_failures": 0,
			"health.check.last_run.timestamp": export.Unix(start), "health.check.last_success.timestamp": export.Unix(start),
			"health.check.last_transition.timestamp": -1, // the first evidence is none
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
		if n := k.metric("health.check.transitions", name, attr.CheckState.String("fail")); n != 1 {
			t.Errorf("%v transitions to fail", n)
		}
		if n := k.metric("health.probe.transitions", attr.ProbeName.String("readiness"), attr.ProbeState.String("fail")); n != 1 {
			t.Errorf("%v transitions of readiness to fail", n)
		}
		if n := k.metric("health.lifecycle.status", attr.Lifecycle.String("running")); n != 1 {
			t.Errorf("running is %v", n)
		}
		down.Store(false)
		wait(11 * time.Second)
		if n := k.metric("health.check.transitions", name, attr.CheckState.String("pass")); n != 1 {
			t.Errorf("%v transitions to pass", n)
		}
	})
}

// TestSpans: a root span for each run, handed to the check, with the class of the
// error and not its text.
func TestSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record := tracetest.NewSpanRecorder()
		tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(record))
		k := newKit(t, Check{Name: "database", Interval: time.Second, Func: func(ctx context.Context) error {
			_, span := tp.Tracer("driver").Start(ctx, "SELECT")
			span.End()
			return errDown
		}})
		k.TracerProvider = tp
		ctx, outer := tp.Tracer("main").Start(t.Context(), "main") // the runs are no part of what started them
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

// TestErrorClasses are bounded.
func TestErrorClasses(t *testing.T) {
	r := guard.Classes{}
	class := func(r guard.Classes, err error) string {
		c, _ := r.Describe(err)
		return c
	}
	seen := map[string]bool{}
	for n := range 100 {
		seen[class(r, classed(fmt.Sprint("class-", n)))] = true
	}
	fresh := guard.Classes{}
	if got := class(fresh, classed("\xff"+strings.Repeat("x", 1000))); !utf8.ValidString(got) || len(got) > 2*maxName {
		t.Errorf("an unruly class is %q", got)
	}
	if len(seen) != guard.MaxClasses+1 || !seen["_OTHER"] {
		t.Errorf("%d classes", len(seen))
	}
	if got := class(r, fmt.Errorf("query: %w", context.DeadlineExceeded)); got != "_OTHER" && got != "timeout" {
		t.Errorf("a deadline is %q", got)
	}
}

// TestKnownErrors: whoever is on call reads what has happened, not a Go type.
func TestKnownErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, refused := net.Dial("tcp", address)
	_, none := os.Open(filepath.Join(t.TempDir(), "none"))
	late, closed := net.Pipe()
	defer closed.Close()
	_ = late.SetReadDeadline(time.Unix(1, 0))
	_, slow := late.Read(make([]byte, 1))
	r := guard.Classes{}
	for want, err := range map[string]error{
		"connection_refused":         refused,
		"connection_reset":           &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"unreachable":                &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)},
		"not_found":                  none,
		"permission_denied":          &fs.PathError{Err: syscall.EACCES},
		"timeout":                    slow,
		"name_not_found":             &net.DNSError{IsNotFound: true},
		"name_resolution_error":      &net.DNSError{IsTemporary: true},
		"server_certificate_invalid": &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"canceled":                   context.Canceled,
		"mine":                       errors.Join(refused, classed("mine")), // its own word comes first
		"*errors.errorString":        errors.New("hunter2"),
	} {
		if err == nil {
			t.Fatal(want)
		}
		if got, _ := r.Describe(fmt.Errorf("ping: %w", err)); got != want {
			t.Errorf("%v is %q; want %q", err, got, want)
		}
	}
}

type classed string

func (c classed) Error() string     { return "hunter2" }
func (c classed) ErrorType() string { return string(c) }

// TestPhase spreads later runs over instances, the same at every start.
func TestPhase(t *testing.T) {
	second := func(instance string) time.Duration {
		return (run.New(Check{Name: "a", Interval: 10 * time.Second}.toRun(), spread(instance, "a"), nil, nil, nil)).Phase()
	}
	a, b := second("a"), second("b")
	if a == b || a != second("a") || a < 5*time.Second || a > 10*time.Second || b < 5*time.Second || b > 10*time.Second {
		t.Errorf("%v and %v; want two from 5 to 10 s", a, b)
	}
}
