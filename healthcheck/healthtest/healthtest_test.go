package healthtest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/healthtest"
	"github.com/otelhealth/otelhealth/healthcheck/internal/leaktest"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// TestIndicators: Record can record a metric for every indicator.
func TestIndicators(t *testing.T) {
	const m = "app.thing"
	status := attribute.Int("status", 500)
	for _, c := range []struct {
		name  string
		rule  rule.Rule
		write func(*healthtest.T)
	}{
		{"Last", rule.Rule{Value: rule.Last(m), Fail: rule.Above(80)}, func(t *healthtest.T) { healthtest.Record(t, 1, m, 81) }},
		{"Last of a duration", rule.Rule{Value: rule.Last(m), Fail: rule.Above(time.Minute)}, func(t *healthtest.T) { healthtest.Record(t, 1, m, time.Hour) }},
		{"Ratio of Last", rule.Rule{Value: rule.Ratio(rule.Last(m), rule.Last("app.other")), Fail: rule.Above(.5)}, func(t *healthtest.T) {
			healthtest.Record(t, 1, m, 6)
			healthtest.Record(t, 1, "app.other", 8)
		}},
		{"TimeSince", rule.Rule{Value: rule.TimeSince(m), Fail: rule.Above(time.Minute)}, func(t *healthtest.T) {
			healthtest.Record(t, 1, m, time.Now().Add(-2*time.Minute).Unix())
		}},
		{"Increase", rule.Rule{Value: rule.Increase(m), Fail: rule.Above(5)}, func(t *healthtest.T) { healthtest.Record(t, 6, m, 1) }},
		{"ShareAbove", rule.Rule{Value: rule.ShareAbove(100, m), Fail: rule.Above(.5)}, func(t *healthtest.T) {
			healthtest.Record(t, 15, m, 101)
			healthtest.Record(t, 5, m, 100.)
		}},
		{"Quantile", rule.Rule{Value: rule.Quantile(.5, m).Where("status", "500"), Fail: rule.Above(200*time.Millisecond + 1)}, func(t *healthtest.T) {
			healthtest.Record(t, 100, m, time.Millisecond)
			healthtest.Record(t, 10, m, 201*time.Millisecond, status)
		}},
		{"Ratio of Increase", rule.Rule{Value: rule.Ratio(rule.Increase(m).Where("status", "500"), rule.Increase(m)), Fail: rule.Above(.1)}, func(t *healthtest.T) {
			healthtest.Record(t, 15, m, time.Millisecond)
			healthtest.Record(t, 5, m, time.Millisecond, status)
		}},
		{"an instrument of one's own", rule.Rule{Value: rule.Quantile(.5, m), Fail: rule.Above(200 * time.Millisecond)}, func(t *healthtest.T) {
			h, err := t.Meter.Int64Histogram(m, metric.WithUnit("ms"))
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				h.Record(t.Context(), 201)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.rule.Name = "rule"
			healthtest.Run(t, healthcheck.Config{Rules: []rule.Rule{c.rule}}, func(t *healthtest.T) {
				t.WantReady(0, verdict.Warn) // nobody has created the instrument
				c.write(t)
				t.Want(time.Second, "rule", verdict.Fail, "")
			})
		})
	}
}

// TestTime: time passes in Want and in a sleep, and rules are judged by it.
func TestTime(t *testing.T) {
	wall := time.Now()
	slow := rule.Rule{Name: "latency", Value: rule.Quantile(.95, "delivery.duration"), Window: 10 * time.Minute, For: 2 * time.Minute, Fail: rule.Above(2 * time.Second)}
	healthtest.Run(t, healthcheck.Config{Rules: []rule.Rule{slow}}, func(t *healthtest.T) {
		began := time.Now()
		healthtest.Record(t, 20, "delivery.duration", 3*time.Second)
		t.Want(time.Second, "latency", verdict.Pass, "but not for 2m0s yet")
		t.Want(2*time.Minute-time.Second, "latency", verdict.Pass, "but not for 2m0s yet")
		t.Want(time.Second, "latency", verdict.Fail, "")
		time.Sleep(2*time.Second + 500*time.Millisecond)
		t.Want(0, "latency", verdict.Fail, "")
		t.Want(-time.Hour, "latency", verdict.Fail, "") // time does not go back
		if took := time.Since(began); took != 2*time.Minute+3500*time.Millisecond {
			t.Errorf("%v have passed", took)
		}
		t.Want(9*time.Minute, "latency", verdict.Pass, "") // they are out of the window
	})
	if took := time.Since(wall); took > time.Minute {
		t.Errorf("it takes %v", took)
	}
}

// TestChecks: checks run on the same clock.
func TestChecks(t *testing.T) {
	var down atomic.Bool
	config := healthcheck.Config{
		Checks: []healthcheck.Check{{Name: "database", Func: func(context.Context) error {
			if down.Load() {
				return errors.New("hunter2 was refused")
			}
			return nil
		}}},
	}
	healthtest.Run(t, config, func(t *healthtest.T) {
		t.WantReady(0, verdict.Pass)
		down.Store(true)
		t.Want(2*time.Second, "database", verdict.Pass, "")
		t.Want(6*time.Second, "database", verdict.Fail, "3 failures in a row")
		t.WantReady(0, verdict.Fail)
		down.Store(false)
		t.WantReady(8*time.Second, verdict.Pass)
	})
}

// TestPrometheusNames: rules on names of client_golang are tested as they are written. Labels are
// attributes.
func TestPrometheusNames(t *testing.T) {
	shipped := rule.Increase("orders_shipments_total")
	config := healthcheck.Config{Rules: []rule.Rule{
		{Name: "latency", Value: rule.Quantile(.99, "orders_request_duration_seconds").Where("route", "/orders/{id}"), Fail: rule.Above(500 * time.Millisecond)},
		{Name: "shipments", Value: rule.Ratio(shipped.Where("result", "error"), shipped), Fail: rule.Above(.05)},
		{Name: "queue", Value: rule.Last("orders_queued"), Fail: rule.Above(80), OnFail: healthcheck.NotReady},
	}}
	healthtest.Run(t, config, func(t *healthtest.T) {
		healthtest.Record(t, 100, "orders_request_duration_seconds", 800*time.Millisecond, attribute.String("route", "/orders/{id}"))
		healthtest.Record(t, 100, "orders_request_duration_seconds", 8*time.Second, attribute.String("route", "/reports"))
		shipments, err := t.Meter.Int64Counter("orders_shipments_total")
		if err != nil {
			t.Fatal(err)
		}
		shipments.Add(t.Context(), 90, metric.WithAttributes(attribute.String("result", "ok")))
		shipments.Add(t.Context(), 10, metric.WithAttributes(attribute.String("result", "error")))
		healthtest.Record(t, 1, "orders_queued", 81)
		t.Want(time.Second, "latency", verdict.Fail, "p99 between 0.75 and 1 s of at most 0.5")
		t.Want(0, "shipments", verdict.Fail, "10 % of at most 5 %")
		t.Want(0, "queue", verdict.Fail, "81 of at most 80")
		t.WantReady(0, verdict.Fail)
	})
}

// failing has tests that must fail, and their messages.
var failing = map[string]struct {
	config healthcheck.Config
	f      func(*healthtest.T)
	says   []string
}{
	"state": {healthcheck.Config{Rules: rules}, func(t *healthtest.T) {
		healthtest.Record(t, 20, "delivery.duration", 3*time.Second)
		t.Want(time.Second, "latency", verdict.Pass, "")
		t.Want(time.Second, "queue", verdict.Pass, "")
	}, []string{
		"healthtest_test.go:", // a line of the test, and not of healthtest
		"latency after 1s: want pass; it is fail, reason: p95 between 2.5 and 5 s of at most 2, value: 4.875 s\n",
		`queue after 2s: want pass; it is unknown, reason: no instrument named "queue.length" has been created, without a value`,
	}},
	"reason": {healthcheck.Config{Rules: rules}, func(t *healthtest.T) {
		healthtest.Record(t, 1, "queue.length", 81)
		t.Want(1500*time.Millisecond, "queue", verdict.Fail, "82")
	}, []string{`queue after 1.5s: want fail with "82" in its reason; it is fail, reason: 81 of at most 80, value: 81`}},
	"readiness": {healthcheck.Config{}, func(t *healthtest.T) { t.WantReady(0, verdict.Fail) }, []string{"readiness after 0s: want fail; it is pass, without a reason\n"}},
	"check": {healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: func(context.Context) error { return errors.New("no route") }}}},
		func(t *healthtest.T) { t.Want(0, "database", verdict.Pass, "") },
		[]string{"database after 0s: want pass; it is fail, reason: 1 failure in a row, the last: *errors.errorString, value: 0 s, error: no route\n"}},
	"name": {healthcheck.Config{Rules: rules}, func(t *healthtest.T) { t.Want(0, "latncy", verdict.Pass, "") },
		[]string{`there is no check, rule or heartbeat "latncy"; there are: latency, queue`}},
	"no names": {healthcheck.Config{}, func(t *healthtest.T) { t.Want(0, "latency", verdict.Pass, "") }, []string{"there are: none"}},
	"mixed": {healthcheck.Config{}, func(t *healthtest.T) {
		healthtest.Record(t, 1, "size", 1)
		healthtest.Record(t, 1, "size", time.Second)
	}, []string{"Record: size: use a time.Duration in every call, or a number in every call"}},
	"none":   {healthcheck.Config{}, func(t *healthtest.T) { healthtest.Record(t, 0, "size", 1) }, []string{"Record: size: n is 0; want 1 or more"}},
	"metric": {healthcheck.Config{}, func(t *healthtest.T) { healthtest.Record(t, 1, "", 1) }, []string{"Record: : invalid instrument name"}},
	"config": {healthcheck.Config{Rules: []rule.Rule{{Name: "latency"}}}, func(*healthtest.T) { panic("f runs") }, []string{"healthcheck: latency: Value: "}},
}

// TestFailing runs each of them in its own process.
func TestFailing(t *testing.T) {
	if c, ok := failing[os.Getenv("HEALTHTEST_FAILING")]; ok {
		healthtest.Run(t, c.config, c.f)
		return
	}
	for name, c := range failing {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFailing$")
			cmd.Env = append(os.Environ(), "HEALTHTEST_FAILING="+name)
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != 1 || strings.Contains(string(out), "panic") {
				t.Errorf("ends with %d, %v", code, err)
			}
			for _, want := range c.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("does not say %q", want)
				}
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}

// TestDoc: the first test in the package documentation compiles and runs.
func TestDoc(t *testing.T) {
	find := func(file, prefix string) (lines []string) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSuffix(strings.TrimPrefix(line, prefix), "\n")
			if len(lines) > 0 || strings.HasPrefix(line, "func TestLatency(") {
				if lines = append(lines, line); line == "}" {
					return lines
				}
			}
		}
		return nil
	}
	says, runs := find("healthtest.go", "//\t"), find("example_test.go", "")
	if len(runs) == 0 || len(runs) > 12 || !slices.Equal(says, runs) {
		t.Errorf("the documentation has %q, and the test of at most 12 lines is %q", says, runs)
	}
}
