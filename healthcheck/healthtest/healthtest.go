// Package healthtest tests rules and checks in virtual time. A test of a 10-minute window takes
// milliseconds, and has the same result on every machine.
//
//	func TestLatency(t *testing.T) {
//		healthtest.Run(t, healthcheck.Config{Rules: rules}, func(t *healthtest.T) {
//			healthtest.Record(t, 20, "delivery.duration", 3*time.Second)
//			t.Want(time.Second, "latency", verdict.Fail, "")
//		})
//	}
//
// A Want that fails shows the actual state:
//
//	latency after 1s: want pass; it is fail, reason: p95 between 2.5 and 5 s of at most 2, value: 4.875 s
//
// The test runs the real Monitor on OpenTelemetry's metric SDK, with the Monitor's View. Only time is
// virtual.
package healthtest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// T is a test with a started Monitor. Use it only in the goroutine of the test.
type T struct {
	*testing.T
	Meter metric.Meter // for your own instruments, which the rules read

	config   healthcheck.Config
	monitor  *healthcheck.Monitor
	due      time.Time // end of the time that Want and WantReady have let pass
	began    time.Time
	recorded map[string]recorder
}

// Run starts a Monitor and runs f in a bubble of [synctest.Test]. Time stands still while f
// computes. It jumps forward while f sleeps: in Want, in WantReady, and in time.Sleep. The
// Monitor stops after f. Its changes of state are in the log of the test. A mistake in c ends the
// test.
//
// The rules of [testing/synctest] apply. The clock begins at midnight UTC on 2000-01-01. Don't call Run,
// Parallel or Deadline of T. Time passes only while all goroutines of the bubble wait for each
// other or for time, so a check must not use the network. Give the test a check of its own instead.
// No time passes after f, so every goroutine must end before f returns, or when its context ends.
// Checks run in their own goroutines, so protect data that they share with f by a lock, or make it
// atomic.
//
// The environment variable HEALTH_OVERRIDES and the files of c are read as in production.
func Run(t *testing.T, c healthcheck.Config, f func(*T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := healthcheck.New(c)
		ask := asker(m)
		read := reader{sdkmetric.NewManualReader()}
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(read.ManualReader), sdkmetric.WithView(m.View()),
			// Ejection times depend on the instance, so use the same one everywhere.
			sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", t.Name()), attribute.String("service.instance.id", "healthtest"))))
		defer func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) }() // a ManualReader has nothing to flush
		if err := m.StartWith(t.Context(), healthcheck.Pipeline{
			Reader: read, MeterProvider: provider, TracerProvider: noop.NewTracerProvider(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		}); err != nil {
			t.Fatal(err)
		}
		defer m.Stop()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go judging(ctx, ask)
		began := time.Now()
		wrapped := &T{T: t, Meter: provider.Meter("healthtest"), config: c, monitor: m, began: began, due: began, recorded: map[string]recorder{}}
		wrapped.pass(0)
		f(wrapped)
	})
}

// pass lets d pass. The time that f has slept since the last call counts.
func (t *T) pass(d time.Duration) {
	if now := time.Now().Add(-settle); now.After(t.due) {
		t.due = now
	}
	t.due = t.due.Add(max(0, d))
	time.Sleep(time.Until(t.due.Add(settle)))
	synctest.Wait()
}

// Want lets d pass. Then the check, rule or heartbeat must be in state s, and its reason must
// contain reason. Otherwise the test fails, and f goes on. If reason is empty, any reason is right.
//
// Rules read their metrics every second and are judged at once, so they see a recorded value after
// a second. Checks are judged when a run ends.
func (t *T) Want(d time.Duration, name string, s verdict.State, reason string) {
	t.Helper()
	t.pass(d)
	v := t.monitor.Verdict()
	var names []string
	for i := range v.Results {
		r := &v.Results[i]
		if r.Name == name {
			t.compare(name, r, s, reason)
			return
		}
		names = append(names, r.Name)
	}
	t.Fatalf("there is no check, rule or heartbeat %q; there are: %s", name, cmp.Or(strings.Join(names, ", "), "none"))
}

// WantReady lets d pass. Then readiness must be in state s. A core rule without its metric fails
// readiness, so record the metrics of all core rules first.
func (t *T) WantReady(d time.Duration, s verdict.State) {
	t.Helper()
	t.pass(d)
	t.compare("readiness", &t.monitor.Verdict().Readiness, s, "")
}

func (t *T) compare(name string, r *verdict.Result, s verdict.State, reason string) {
	t.Helper()
	if r.State == s && strings.Contains(r.Reason, reason) {
		return
	}
	wanted := string(s)
	if reason != "" {
		wanted += fmt.Sprintf(" with %q in its reason", reason)
	}
	text := fmt.Sprintf("%s after %v: want %s; it is %s", name, t.due.Sub(t.began), wanted, r.State)
	if r.Reason != "" {
		text += ", reason: " + r.Reason
	} else {
		text += ", without a reason"
	}
	if r.Value != nil {
		text += fmt.Sprintf(", value: %.6g %s", *r.Value, r.Unit)
	} else if name != "readiness" {
		text += ", without a value"
	}
	if r.Err != nil {
		text += ", error: " + r.Err.Error()
	}
	t.Error(text)
}
