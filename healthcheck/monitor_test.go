package healthcheck

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"errors"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestConfigurationErrors: Start returns all mistakes at once, each with its item and its field.
func TestConfigurationErrors(t *testing.T) {
	const w = time.Minute
	m := New(Config{
		Defaults:     Check{Name: "d", Interval: -time.Hour},
		LivenessPath: "live", StartupPath: "/ready/", ShutdownTimeout: -1,
		Checks: []Check{
			{Func: ok},
			{Name: "a", Func: ok},
			{Name: "a", Func: ok},
			{Name: "nothing"},
			{Name: "interval", Func: ok, Interval: -time.Second},
			{Name: "timeout", Func: ok, Interval: time.Second, Timeout: 2 * time.Second}, // is cut to the interval
			{Name: "negative", Func: ok, Timeout: -1},
			{Name: "thresholds", Func: ok, FailureThreshold: -1, SuccessThreshold: -2},
			{Name: "effect", Func: ok, OnFail: "core"},
			{Name: "spin", Func: ok, Interval: 1},
			{Name: "*", Func: ok},
			{Name: "a=b", Func: ok},
		},
		Rules: []rule.Rule{
			{Name: "a", Value: rule.Last("m"), Fail: rule.Above(1)},
			{Name: "contradiction", Value: rule.Last("m"), Fail: rule.Above(50), Warn: rule.Above(80)},
			{Name: "two sides", Value: rule.Last("m"), Fail: rule.Above(2), Warn: rule.Below(1)},
			{Name: "two types", Value: rule.Last("m"), Fail: rule.Above(time.Minute), Warn: rule.Above(1)},
			{Name: "no value", Fail: rule.Above(1)},
			{Name: "no limit", Value: rule.Last("m")},
			{Name: "nan", Value: rule.Last("m"), Fail: rule.Above(math.NaN())},
			{Name: "metric", Value: rule.Last(""), Fail: rule.Above(1)},
			{Name: "window", Value: rule.Increase("m"), Window: 30, Fail: rule.Above(1)},
			{Name: "no window", Value: rule.Last("m"), Window: w, Fail: rule.Above(1)},
			{Name: "quantile", Value: rule.Quantile(99, "m"), Fail: rule.Above(1)},
			{Name: "lower", Value: rule.Quantile(.99, "m"), Fail: rule.Below(1)},
			{Name: "ratio's sides", Value: rule.Ratio(rule.Last("m"), rule.Increase("m")), Fail: rule.Above(1)},
			{Name: "where", Value: rule.Last("m").Where("k"), Fail: rule.Above(1)},
			{Name: "events", Value: rule.Quantile(.5, "m"), MinEvents: -1, Fail: rule.Above(1)},
			{Name: "no events", Value: rule.Increase("m"), MinEvents: 5, Fail: rule.Above(1)},
			{Name: "ratio's where", Value: rule.Ratio(rule.Last("m"), rule.Last("n")).Where(""), Fail: rule.Above(1)},
			{Name: "per", Value: rule.Last("m"), Per: []string{""}, Fail: rule.Above(1)},
			{Name: "share", Value: rule.ShareAbove(1, "m"), Fail: rule.Above(1.5)},
			{Name: "for", Value: rule.Last("m"), For: -1, KeepFor: -2, Fail: rule.Above(1)},
			{Name: "rule's effect", Value: rule.Last("m"), OnFail: "fail", Fail: rule.Above(1)},
		},
	})
	m.Heartbeat("a", 0)
	m.Heartbeat("beat", -1)
	m.Heartbeat("\xff", 0) // it would stop every export, because OTLP is UTF-8
	m.Queue("q", 0, func() int { return 0 })
	m.Queue("q", 0, func() int { return 0 })
	m.Queue("capacity", -1, func() int { return 0 })
	m.Queue("length", 0, nil)
	err := m.Start(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	got := map[string]string{} // problems by item and field
	for e := range cfgerrors.All(err) {
		got[e.Item+"|"+e.Field] += e.Problem + "\n"
		if !strings.Contains(err.Error(), e.Error()) {
			t.Errorf("the text of the whole does not have %q", e)
		}
	}
	needs := func(name string) [2]string { return [2]string{name + "|Value", "a rule needs metrics to read"} }
	want := [][2]string{
		{"|Defaults", "has a Name"}, {"Defaults|Interval", "-1h0m0s is negative"}, {"|ShutdownTimeout", "-1ns is negative"},
		{"|LivenessPath", `"live" does not begin with /`}, {"|StartupPath", `"/ready" is also ReadinessPath`},
		{"|Name", "is empty"}, {"a|Name", `"a" is used twice`}, {"nothing|Func", "is nil"}, {"interval|Interval", "-1s is negative"},
		{"negative|Timeout", "-1ns is negative"}, {"thresholds|FailureThreshold", "-1 is negative"}, {"thresholds|SuccessThreshold", "-2 is negative"},
		{"effect|OnFail", `"core" is not an effect: write NotReady`}, {"spin|Interval", "1ns is shorter than 10ms"},
		{"*|Name", "can't be named in an override"}, {"a=b|Name", "can't be named in an override"},
		{"contradiction|Warn", "Above(80) is not crossed before Fail: Above(50)"}, {"two sides|Warn", "write two rules"}, {"two types|Warn", "differ in type"},
		{"no value|Value", "is not set: write rule.Last"}, {"no limit|Fail", "neither Fail nor Warn is set"}, {"nan|Fail", "Above(NaN) is not a number"},
		{"metric|Value", "names no metric"}, {"window|Window", "30ns is shorter than 1s"}, {"no window|Window", "does not look back"},
		{"quantile|Value", "the quantile 99 is not between 0 and 1: .99 is p99"}, {"lower|Fail", "write rule.Above"},
		{"ratio's sides|Value", "two of Increase or two of Last"}, {"where|Value", "at least one value"}, {"events|MinEvents", "-1 is negative"},
		{"no events|MinEvents", "count events"}, {"ratio's where|Value", "need an attribute"}, {"per|Per", "has an empty attribute"},
		{"share|Fail", "Above(1.5) is never crossed: a share is from 0 to 1"}, {"for|For", "-1ns is negative"}, {"for|KeepFor", "-2ns is negative"},
		{"rule's effect|OnFail", `"fail" is not an effect`}, needs("a"), needs("nan"),
		{"beat|Heartbeat", "the stall time -1ns is negative"}, {"\xff|Name", "is longer than 64 bytes or not plain text"},
		{`"q"|Queue`, "the name is used twice"}, {`"capacity"|Queue`, "the capacity -1 is negative"}, {`"length"|Queue`, "length is nil"},
	}
	known := map[string]bool{}
	for _, w := range want {
		known[w[0]] = true
		if !strings.Contains(got[w[0]], w[1]) {
			t.Errorf("%s: %q does not say %q", w[0], got[w[0]], w[1])
		}
	}
	if n := strings.Count(got["a|Name"], "used twice"); n != 3 {
		t.Errorf("%d of 3 names that are used twice are reported: of a check, a rule and a heartbeat", n)
	}
	for of, problem := range got {
		if !known[of] && !strings.HasSuffix(of, "|Value") { // each rule needs metrics
			t.Errorf("nobody expected %s: %s", of, problem)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestStartTwice(t *testing.T) {
	k := newKit(t, Config{}).start()
	if err := k.StartWith(t.Context(), k.pipeline); !errors.Is(err, cfgerrors.ErrStarted) || !strings.Contains(err.Error(), "Config.Health") {
		t.Errorf("a second Start: %v", err)
	}
	if err := New(Config{}).StartWith(t.Context(), k.pipeline); err == nil || !strings.Contains(err.Error(), "another Monitor") {
		t.Errorf("a second Monitor on one provider: %v", err)
	}
}

func TestDeltaReaderIsRefused(t *testing.T) {
	reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(func(sdkmetric.InstrumentKind) metricdata.Temporality { return metricdata.DeltaTemporality }))
	err := New(Config{}).StartWith(t.Context(), quiet(reader, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	if err == nil || !strings.Contains(err.Error(), "Reader: temporality is not cumulative") {
		t.Errorf("Start: %v", err)
	}
}

// TestMistypedMetric: a name without an instrument fails readiness, and the reason has the name. An
// instrument without values does not fail it.
func TestMistypedMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(
			rule.Rule{Name: "typo", OnFail: NotReady, Value: rule.Increase("jobs.faild"), Window: time.Minute, Fail: rule.Above(1)},
			rule.Rule{Name: "quiet", OnFail: NotReady, Value: rule.Increase("jobs.failed"), Window: time.Minute, Fail: rule.Above(1)}))
		meter := k.provider.Meter("test")
		if _, err := meter.Int64Counter("jobs.failed"); err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(time.Minute)
		k.state("quiet", verdict.Pass)
		if body := k.want("/ready", 503, verdict.Fail); !strings.Contains(body["output"].(string), `"jobs.faild"`) {
			t.Errorf("output %q", body["output"])
		}
		k.want("/startup", 200, verdict.Pass)
		if _, err := meter.Int64Counter("jobs.faild"); err != nil { // created late
			t.Fatal(err)
		}
		wait(2 * time.Second)
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestForeignProvider: without our View a Monitor does not see instruments. So a gauge may be
// missing for a minute, and a counter for ever.
func TestForeignProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kit{t: t, reader: sdkmetric.NewManualReader(), Monitor: New(ofRules(
			rule.Rule{Name: "gauge", OnFail: NotReady, Value: rule.Last("queue.length"), Fail: rule.Above(1)},
			rule.Rule{Name: "counter", OnFail: NotReady, Value: rule.Increase("jobs.failed"), Window: time.Minute, Fail: rule.Above(1)},
		))}
		k.pipeline = quiet(k.reader, sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader)))
		k.handler = k.Wrap(nil)
		k.start()
		k.want("/ready", 200, verdict.Pass)
		wait(62 * time.Second)
		k.state("counter", verdict.Pass)
		k.state("gauge", verdict.Unknown)
	})
}

// TestView: limits become boundaries, base views apply, and an instrument gets one view.
func TestView(t *testing.T) {
	m := New(ofRules(
		rule.Rule{Name: "a", Value: rule.Quantile(.99, "http.server.request.duration"), Fail: rule.Above(300 * time.Millisecond), Warn: rule.Above(200 * time.Millisecond)},
		rule.Rule{Name: "b", Value: rule.ShareAbove(420*time.Millisecond, "http.server.request.duration"), Fail: rule.Above(.1)},
		rule.Rule{Name: "c", Value: rule.Quantile(.99, "db.client.operation.duration"), Fail: rule.Above(20 * time.Millisecond)},
		rule.Rule{Name: "d", Value: rule.Quantile(.99, "own.bounds"), Fail: rule.Above(3 * time.Second)},
		rule.Rule{Name: "e", Value: rule.Quantile(.99, "plain"), Fail: rule.Above(333)},
		rule.Rule{Name: "f", Value: rule.Quantile(.99, "in.ms"), Fail: rule.Above(333 * time.Millisecond)},
		rule.Rule{Name: "g", Value: rule.Quantile(.99, "of_seconds"), Fail: rule.Above(333 * time.Millisecond)},
		rule.Rule{Name: "h", Value: rule.Quantile(.99, "late"), Fail: rule.Above(1)},
	))
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(m.View(
		sdkmetric.NewView(sdkmetric.Instrument{Name: "own.bounds"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{1, 10}}}),
		sdkmetric.NewView(sdkmetric.Instrument{Name: "dropped"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
	)))
	meter := provider.Meter("test")
	if _, err := m.AddRule(rule.Rule{Name: "i", Value: rule.Quantile(.9, "late"), Fail: rule.Above(2)}); err != nil {
		t.Fatal(err)
	}
	for name, unit := range map[string]string{"http.server.request.duration": "s", "db.client.operation.duration": "s", "own.bounds": "s", "plain": "", "in.ms": "ms", "of_seconds": "", "late": "", "dropped": "s", "advised": "s"} {
		h, err := meter.Float64Histogram(name, metric.WithUnit(unit), metric.WithExplicitBucketBoundaries(7, 8))
		if err != nil {
			t.Fatal(err)
		}
		h.Record(t.Context(), 1)
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, ms := range evidence.NewCatalog(&rm) {
		got[name] = fmt.Sprint(ms[0].Data.(metricdata.Histogram[float64]).DataPoints[0].Bounds)
	}
	for name, want := range map[string]string{
		"http.server.request.duration": "[0.005 0.01 0.025 0.05 0.075 0.1 0.2 0.25 0.3 0.42 0.5 0.75 1 2.5 5 7.5 10]",
		"db.client.operation.duration": "[0.001 0.005 0.01 0.02 0.05 0.1 0.5 1 5 10]",
		"own.bounds":                   "[1 3 10]",
		"plain":                        "[0 5 10 25 50 75 100 250 333 500 750 1000 2500 5000 7500 10000]",
		"in.ms":                        "[0 5 10 25 50 75 100 250 333 500 750 1000 2500 5000 7500 10000]",
		"of_seconds":                   "[0 0.333 5 10 25 50 75 100 250 500 750 1000 2500 5000 7500 10000]",
		"late":                         "[0 1 2 5 10 25 50 75 100 250 500 750 1000 2500 5000 7500 10000]", // of both rules
		"advised":                      "[7 8]",
		"dropped":                      "",
	} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
}

func TestMaintainErrors(t *testing.T) {
	m := New(Config{})
	for _, c := range []struct {
		reason string
		until  time.Duration
		want   string
	}{{"", time.Hour, "reason"}, {"x", -time.Second, "until"}, {"x", 25 * time.Hour, "until"}} {
		if _, err := m.Maintain(c.reason, time.Now().Add(c.until)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Maintain(%q, %v): %v", c.reason, c.until, err)
		}
	}
}

// TestStopIsImmediate: a check that ignores its context does not delay Stop. Stop before Start
// returns at once too.
func TestStopIsImmediate(t *testing.T) {
	New(Config{}).Stop()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		k := newKit(t, ofChecks(Check{Name: "a", Func: func(context.Context) error { <-release; return nil }})).start()
		wait(time.Second)
		began := time.Now()
		k.Stop()
		k.Stop()
		if d := time.Since(began); d > 0 {
			t.Errorf("Stop took %v", d)
		}
		close(release)
	})
}

// TestStopSaysDraining: the last verdict of a stopped process says draining, even without a drain
// delay.
func TestStopSaysDraining(t *testing.T) {
	for range 20 { // some orders of goroutines would hide a fault
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			k := newKit(t, Config{})
			if err := k.StartWith(ctx, k.pipeline); err != nil {
				t.Fatal(err)
			}
			cancel()
			k.Stop()
			if v := k.Verdict(); v.Phase != "draining" || v.Readiness.State != verdict.Fail || v.Readiness.Reason != "draining" {
				t.Fatalf("the last verdict is %s, %+v", v.Phase, v.Readiness)
			}
		})
	}
}

// TestReaderThatEnded: a reader without collections is not healthy.
func TestReaderThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "queue", OnFail: NotReady, Value: rule.Last("queue.length"), Fail: rule.Above(80)}))
		k.Queue("jobs", 0, func() int { return 0 })
		k.start()
		k.want("/ready", 200, verdict.Pass)
		if err := k.provider.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait(40 * time.Second)
		code, body := k.get("/ready")
		if out := body["output"].(string); code != 503 || !strings.HasPrefix(out, "queue: metrics have not been collected for") {
			t.Errorf("%d %q", code, out)
		}
	})
}

func TestReaderOfNobody(t *testing.T) {
	err := New(Config{}).StartWith(t.Context(), quiet(sdkmetric.NewManualReader(), sdkmetric.NewMeterProvider()))
	if err == nil || !strings.Contains(err.Error(), "Reader: reader is not registered: it belongs to no MeterProvider") {
		t.Errorf("Start with a reader of no provider: %v", err)
	}
}

// TestPanickingCallback: a panicking callback makes no sample, and the Monitor goes on.
func TestPanickingCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "errors", OnFail: NotReady, Value: rule.Increase("jobs.failed"), Fail: rule.Above(10)}))
		var panics atomic.Bool
		_, err := k.provider.Meter("test").Int64ObservableCounter("jobs.failed", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if panics.Load() {
				panic("hunter2")
			}
			o.Observe(100_000)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(5 * time.Second)
		panics.Store(true)
		wait(3 * time.Second)
		panics.Store(false)
		wait(5 * time.Second)
		k.want("/ready", 200, verdict.Pass)
	})
}

// TestBlockedLog: a blocked log handler delays no verdict.
func TestBlockedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{})
		open := make(chan struct{})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) { <-open; return len(b), nil }), nil))
		k.start()
		k.want("/ready", 200, verdict.Pass)
		for range 1000 {
			k.beginDrain()
			k.judgeNow()
		}
		k.want("/ready", 503, verdict.Fail)
		k.Stop()
		close(open)
		synctest.Wait()
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestStaleLiveness: a stopped judge restarts nothing, even if liveness failed before.
func TestStaleLiveness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{})
		k.Heartbeat("worker", time.Second).Begin()
		k.start()
		wait(3 * time.Second)
		k.want("/health", 503, verdict.Fail)
		k.halt()
		wait(time.Minute)
		k.want("/health", 200, verdict.Pass)
		k.want("/ready", 503, verdict.Fail)
	})
}

// TestSuspended: after SIGSTOP all ages start again.
func TestSuspended(t *testing.T) {
	m := memory.Instant{Now: time.Now()}
	h := &Heartbeat{stall: time.Minute, born: m.Now.Add(-time.Hour)}
	h.active.Store(1)
	if f := (judge.Beats{Stall: h.stall, Last: h.lastBeat}).Evaluate(m); f.State != verdict.Fail {
		t.Fatalf("%s; an hour without a beat", f.State)
	}
	m.Resumed = m.Now.Add(-30 * time.Second)
	if f := (judge.Beats{Stall: h.stall, Last: h.lastBeat}).Evaluate(m); f.State != verdict.Pass {
		t.Errorf("%s (%s); awake for 30 s only", f.State, f.Reason)
	}
}

// TestInstrumentAfterStart: a counter that is created while the Monitor runs begins at zero, and so
// do its new series.
func TestInstrumentAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, ofRules(rule.Rule{Name: "errors", Value: rule.Increase("jobs.failed"), Fail: rule.Above(1000)})).start()
		wait(2500 * time.Millisecond)
		c, err := k.provider.Meter("test").Int64Counter("jobs.failed")
		if err != nil {
			t.Fatal(err)
		}
		c.Add(t.Context(), 3, metric.WithAttributes(conventions.CheckName.String("a")))
		wait(time.Second)
		c.Add(t.Context(), 4, metric.WithAttributes(conventions.CheckName.String("b")))
		wait(time.Second)
		if r := k.result("errors"); r.Value == nil || *r.Value != 7 {
			t.Errorf("%v, want 7", r.Value)
		}
	})
}
