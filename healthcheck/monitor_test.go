package healthcheck

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/memory"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func ok(context.Context) error { return nil }

// TestConfigurationErrors: all at once, each naming its field.
func TestConfigurationErrors(t *testing.T) {
	const w = time.Minute
	m := &Monitor{Checks: []Check{
		0:  {Func: ok},
		1:  {Name: "a", Func: ok},
		2:  {Name: "a", Func: ok},
		3:  {Name: "neither"},
		4:  {Name: "both", Func: ok, Limit: Last("m").AtMost(1)},
		5:  {Name: "interval", Func: ok, Interval: -time.Second},
		6:  {Name: "timeout", Func: ok, Interval: time.Second, Timeout: 2 * time.Second},
		7:  {Name: "negative", Func: ok, Timeout: -1},
		8:  {Name: "thresholds", Func: ok, Failures: -1, Successes: -2},
		9:  {Name: "role", Func: ok, Role: 17},
		10: {Name: "contradiction", Limit: Last("m").AtMost(50).WarnAbove(80)},
		11: {Name: "crossing", Limit: Last("m").AtMost(1).AtLeast(2)},
		12: {Name: "twice", Limit: Last("m").AtMost(1).AtMost(2)},
		13: {Name: "nan", Limit: Last("m").AtMost(math.NaN())},
		14: {Name: "metric", Limit: Last("").AtMost(1)},
		15: {Name: "window", Limit: Increase("m", 0).AtMost(1)},
		16: {Name: "quantile", Limit: Quantile("m", 99, w).AtMost(1)},
		17: {Name: "lower", Limit: Quantile("m", .99, w).AtLeast(1)},
		18: {Name: "sides", Limit: Ratio(Last("m"), Increase("m", w)).AtMost(1)},
		19: {Name: "windows", Limit: Ratio(Increase("m", w), Increase("m", 2*w)).AtMost(1)},
		20: {Name: "where", Limit: Last("m").Where("k").AtMost(1)},
		21: {Name: "count", Limit: Increase("m", w).MinCount(-1).AtMost(1)},
		22: {Name: "per", Limit: Ratio(Increase("m", w).Per("a"), Increase("n", w)).AtMost(1)},
		23: {Name: "ratio's where", Limit: Ratio(Last("m"), Last("n")).Where("").AtMost(1)},
		24: {Name: "ratio's per", Limit: Ratio(Last("m"), Last("n")).Per("").AtMost(1)},
		25: {Name: "share", Limit: Over("m", 1, w).AtMost(1.5)},
		26: {Name: "spin", Func: ok, Interval: 1},
		27: {Name: "*", Func: ok},
		28: {Name: "a=b", Func: ok},
	}}
	m.Heartbeat("a", 0)
	m.Heartbeat("beat", -1)
	m.Heartbeat("\xff", 0) // it would keep every metric from being exported: OTLP is UTF-8
	err := m.Start(context.Background(), nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`Checks[0].Name (""): is empty`, `Checks[2].Name ("a"): is used twice`, `Checks[3].Func ("neither")`, `Checks[4].Limit ("both")`,
		`Checks[5].Interval`, `Checks[6].Timeout`, `Checks[7].Timeout`, `Checks[8].Failures`, `Checks[8].Successes`, `Checks[9].Role`,
		`Checks[10].Limit ("contradiction"): WarnAbove(80) contradicts AtMost(50)`, `Checks[11].Limit ("crossing"): AtLeast(2) contradicts AtMost(1)`,
		`Checks[12].Limit ("twice"): AtMost is said twice`, `Checks[13].Limit ("nan"): AtMost(NaN) is not a number`, `Checks[14].Limit`, `Checks[15].Limit`,
		`Checks[16].Limit`, `Checks[17].Limit ("lower"): AtLeast: a quantile takes AtMost and WarnAbove only`, `Checks[18].Limit`, `Checks[19].Limit`, `Checks[20].Limit`, `Checks[21].Limit`,
		`Checks[22].Limit`, `Checks[23].Limit`, `Checks[24].Limit`, `Checks[25].Limit ("share"): AtMost(1.5) of a share`, `Checks[26].Interval`, `Checks[27].Name`, `Checks[28].Name`,
		`Heartbeat("a"): the name is used twice`, `Heartbeat("beat")`, `Heartbeat("\xff"): the name is longer`, `source: is nil`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q", want)
		}
	}
	if strings.Contains(err.Error(), "Checks[1]") {
		t.Error("the error names a check that is right")
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestStartTwice(t *testing.T) {
	k := newKit(t).start()
	if err := k.Start(context.Background(), k.reader); err == nil {
		t.Error("a second Start is no error")
	}
	second := &Monitor{MeterProvider: k.provider}
	if err := second.Start(context.Background(), k.reader); err == nil || !strings.Contains(err.Error(), "another Monitor") {
		t.Errorf("a second Monitor on one provider: %v", err)
	}
}

func TestDeltaSourceIsRefused(t *testing.T) {
	reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
	m := &Monitor{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}
	if err := m.Start(context.Background(), reader); err == nil || !strings.Contains(err.Error(), "not cumulative") {
		t.Errorf("Start: %v", err)
	}
}

// TestMistypedMetric: a name that nobody created holds readiness back and is
// named; a quiet instrument does not.
func TestMistypedMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t,
			Check{Name: "typo", Role: Core, Limit: Increase("jobs.faild", time.Minute).AtMost(1)},
			Check{Name: "quiet", Role: Core, Limit: Increase("jobs.failed", time.Minute).AtMost(1)})
		meter := k.provider.Meter("test")
		if _, err := meter.Int64Counter("jobs.failed"); err != nil {
			t.Fatal(err)
		}
		k.start()
		wait(time.Minute)
		k.state("quiet", Pass)
		if body := k.want("/ready", 503, Fail); !strings.Contains(body["output"].(string), `"jobs.faild"`) {
			t.Errorf("output %q", body["output"])
		}
		k.want("/startup", 200, Pass)
		if _, err := meter.Int64Counter("jobs.faild"); err != nil { // created late
			t.Fatal(err)
		}
		wait(2 * time.Second)
		k.want("/ready", 200, Pass)
	})
}

// TestForeignProvider: without our View nobody sees what is created, so a gauge
// gets a minute and a counter is never missed.
func TestForeignProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		k := &kit{t: t, reader: reader, Monitor: &Monitor{
			MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
			Logger:        slog.New(slog.DiscardHandler),
			Checks: []Check{
				{Name: "gauge", Role: Core, Limit: Last("queue.length").AtMost(1)},
				{Name: "counter", Role: Core, Limit: Increase("jobs.failed", time.Minute).AtMost(1)},
			}}}
		k.start()
		k.want("/ready", 200, Pass)
		wait(62 * time.Second)
		k.state("counter", Pass)
		k.state("gauge", Unknown)
	})
}

// TestView: limits become boundaries, base views apply, and no instrument is
// seen by two.
func TestView(t *testing.T) {
	m := &Monitor{Checks: []Check{
		{Name: "a", Limit: Quantile("http.server.request.duration", .99, time.Minute).AtMost(.3).WarnAbove(.2)},
		{Name: "b", Limit: Over("http.server.request.duration", .42, time.Minute).AtMost(.1)},
		{Name: "c", Limit: Quantile("db.client.operation.duration", .99, time.Minute).AtMost(.02)},
		{Name: "d", Limit: Quantile("own.bounds", .99, time.Minute).AtMost(3)},
		{Name: "e", Limit: Quantile("plain", .99, time.Minute).AtMost(333)},
	}}
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(m.View(
		sdkmetric.NewView(sdkmetric.Instrument{Name: "own.bounds"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{1, 10}}}),
		sdkmetric.NewView(sdkmetric.Instrument{Name: "dropped"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
	)))
	meter := provider.Meter("test")
	for name, unit := range map[string]string{"http.server.request.duration": "s", "db.client.operation.duration": "s", "own.bounds": "s", "plain": "", "dropped": "s", "advised": "s"} {
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
		"advised":                      "[7 8]",
		"dropped":                      "",
	} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
}

func TestMaintainErrors(t *testing.T) {
	m := &Monitor{}
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

// TestStopIsImmediate: neither a check that heeds nothing nor Stop before Start
// holds it up.
func TestStopIsImmediate(t *testing.T) {
	(&Monitor{}).Stop()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		k := newKit(t, Check{Name: "a", Func: func(context.Context) error { <-release; return nil }}).start()
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

// TestStopKnowsOfTheEnd: the last verdict of a process that is told to end says so,
// even if there is no drain delay in which the word could get around.
func TestStopKnowsOfTheEnd(t *testing.T) {
	for range 20 { // goroutines may run in an order that hides it
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			k := newKit(t)
			if err := k.Start(ctx, k.reader); err != nil {
				t.Fatal(err)
			}
			cancel()
			k.Stop()
			if v := k.Verdict(); v.Lifecycle != Draining || v.Status(Readiness) != Fail {
				t.Fatalf("the last verdict is %s, %s", v.Lifecycle, v.Status(Readiness))
			}
		})
	}
}

// TestReaderThatEnded: silence is not health.
func TestReaderThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Check{Name: "queue", Role: Core, Limit: Last("queue.length").AtMost(80)})
		if _, err := NewQueue(k.provider, "jobs", 0, func() int { return 0 }); err != nil {
			t.Fatal(err)
		}
		k.start()
		k.want("/ready", 200, Pass)
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
	m := &Monitor{MeterProvider: sdkmetric.NewMeterProvider()}
	if err := m.Start(context.Background(), sdkmetric.NewManualReader()); err == nil || !strings.Contains(err.Error(), "source: reader is not registered: it belongs to no MeterProvider") {
		t.Errorf("Start with a reader of no provider: %v", err)
	}
}

// TestPanickingCallback is no sample and no end.
func TestPanickingCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Check{Name: "errors", Role: Core, Limit: Increase("jobs.failed", 30*time.Second).AtMost(10)})
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
		k.want("/ready", 200, Pass)
	})
}

// TestBlockedLog: a log that takes nothing keeps no verdict back.
func TestBlockedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		open := make(chan struct{})
		k.Logger = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) { <-open; return len(b), nil }), nil))
		k.start()
		k.want("/ready", 200, Pass)
		for range 1000 {
			k.Drain()
			k.judge()
		}
		k.want("/ready", 503, Fail)
		k.Stop()
		close(open)
		synctest.Wait()
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestStaleLiveness: with liveness failing or not, a judge that stopped restarts
// nothing unless it was asked to.
func TestStaleLiveness(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := newKit(t)
			k.RestartWhenStale = restart
			k.Heartbeat("worker", time.Second).Busy()
			k.start()
			wait(3 * time.Second)
			k.want("/health", 503, Fail)
			k.stop()
			wait(time.Minute)
			if restart {
				k.want("/health", 503, Fail)
			} else {
				k.want("/health", 200, Pass)
			}
		})
	}
}

// TestSuspended: after SIGSTOP all ages begin anew.
func TestSuspended(t *testing.T) {
	m := memory.Moment{Now: time.Now()}
	h := &Heartbeat{stall: time.Minute, born: m.Now.Add(-time.Hour)}
	h.active.Store(1)
	if f := (judge.Beats{Stall: h.stall, Beats: h.since}).Assess(m); f.State != Fail {
		t.Fatalf("%s; an hour without a beat", f.State)
	}
	m.Awake = m.Now.Add(-30 * time.Second)
	if f := (judge.Beats{Stall: h.stall, Beats: h.since}).Assess(m); f.State != Pass {
		t.Errorf("%s (%s); awake for 30 s only", f.State, f.Output)
	}
}

// TestServe: readiness fails at once, requests are served for the drain delay and
// those in flight finish.
func TestServe(t *testing.T) {
	k := newKit(t).start()
	began, finish := make(chan struct{}), make(chan struct{})
	k.mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) { close(began); <-finish })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	const drain = 300 * time.Millisecond
	go func() { served <- k.Serve(&http.Server{Handler: k.mux}, l, drain) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(path string) int {
		res, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return 0
		}
		res.Body.Close()
		return res.StatusCode
	}
	slow := make(chan int, 1)
	go func() { slow <- ask("/slow") }()
	<-began
	start := time.Now()
	k.cancel()
	for ask("/ready") != 503 {
		if time.Since(start) > 30*time.Second {
			t.Fatal("readiness does not fail")
		}
	}
	if code := ask("/health"); code != 200 {
		t.Errorf("/health while draining: %d", code)
	}
	for { // the listener is open for the drain delay
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		c.Close()
		time.Sleep(time.Millisecond)
	}
	if d := time.Since(start); d < drain {
		t.Errorf("the listener closed after %v, before the drain delay", d)
	}
	close(finish)
	if code := <-slow; code != 200 {
		t.Errorf("the request in flight: %d", code)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestInstrumentAfterStart: a counter that is made once the Monitor runs begins
// at zero, and so do its new series.
func TestInstrumentAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Check{Name: "errors", Limit: Increase("jobs.failed", 30*time.Second).AtMost(1000)}).start()
		wait(2500 * time.Millisecond)
		c, err := k.provider.Meter("test").Int64Counter("jobs.failed")
		if err != nil {
			t.Fatal(err)
		}
		c.Add(t.Context(), 3, metric.WithAttributes(attr.CheckName.String("a")))
		wait(time.Second)
		c.Add(t.Context(), 4, metric.WithAttributes(attr.CheckName.String("b")))
		wait(time.Second)
		if r := k.Verdict().Checks[0]; r.Value != 7 {
			t.Errorf("%v (has value: %v), want 7", r.Value, r.HasValue)
		}
	})
}

func TestQueueErrors(t *testing.T) {
	length := func() int { return 0 }
	for _, c := range []struct {
		name     string
		capacity int
		length   func() int
		want     string
	}{{"", 0, length, "name is empty"}, {"\xff", 0, length, "UTF-8"}, {"jobs", -1, length, "capacity"}, {"jobs", 0, nil, "length is nil"}} {
		if _, err := NewQueue(sdkmetric.NewMeterProvider(), c.name, c.capacity, c.length); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewQueue(%q, %d): %v", c.name, c.capacity, err)
		}
	}
}
