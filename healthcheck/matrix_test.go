package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// The faults of foreign code. The tests call them deeds.
var deeds = []string{"panic", "block", "exit", "re-enter", "lock", "10 MB", "cycle"}

// cell is one kind of foreign code that does one deed.
type cell struct {
	deed    string
	armed   atomic.Bool
	done    atomic.Int64 // how often it was done
	open    chan struct{}
	lock    chan struct{} // a lock of the user, who calls us while holding it; not a Mutex, because that stops the time of a bubble
	k       *kit
	config  Config
	tracing []sdktrace.TracerProviderOption
	tracer  func(trace.TracerProvider) trace.TracerProvider
	metrics []sdkmetric.Option
	views   []sdkmetric.View
	handler func(slog.Handler) slog.Handler
	prepare func(*kit)

	class string // error class of the attacked check; empty if there is none
	blind bool   // the user's provider hangs, so scrapes hang and readiness fails
}

// do does the deed.
func (c *cell) do() {
	if !c.armed.Load() {
		return
	}
	c.done.Add(1)
	switch c.deed {
	case "panic":
		panic(errDown)
	case "block":
		<-c.open
	case "exit":
		runtime.Goexit()
	case "re-enter":
		c.call()
	case "lock":
		c.lock <- struct{}{}
		<-c.lock
	}
}

// call calls all methods that may be called at any time.
func (c *cell) call() {
	c.k.Verdict()
	c.k.Hold("for a moment")()
	if remove, err := c.k.Add(Check{Name: "added", OnFail: ShowOnly, Func: ok}); err == nil {
		remove()
	}
	c.k.Heartbeat("worker", 0).Close()
	c.k.get("/health")
}

// err is an error that is long or holds itself, if that is the deed.
func (c *cell) err() error {
	switch {
	case !c.armed.Load():
		return nil
	case c.deed == "10 MB":
		return errors.New(strings.Repeat("x", 10<<20))
	case c.deed == "cycle":
		return rudeError{func() {}}
	}
	return nil
}

// rudeError does a deed in each of its methods, and unwraps to itself.
type rudeError struct{ do func() }

func (e rudeError) Error() string     { e.do(); return "hunter2" }
func (e rudeError) String() string    { e.do(); return "hunter2" }
func (e rudeError) Is(error) bool     { e.do(); return false }
func (e rudeError) As(any) bool       { e.do(); return false }
func (e rudeError) Unwrap() error     { e.do(); return e }
func (e rudeError) ErrorType() string { e.do(); return "rude" }
func (e rudeError) Timeout() bool     { e.do(); return false }
func (e rudeError) Temporary() bool   { e.do(); return false }

// rudeSpans is a span processor.
type rudeSpans struct{ start, end func(sdktrace.ReadWriteSpan) }

func (p rudeSpans) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) { p.start(s) }
func (p rudeSpans) OnEnd(sdktrace.ReadOnlySpan)                         { p.end(nil) }
func (rudeSpans) Shutdown(context.Context) error                        { return nil }
func (rudeSpans) ForceFlush(context.Context) error                      { return nil }

// rudeTracers does a deed for each tracer.
type rudeTracers struct {
	trace.TracerProvider
	do func()
}

func (p rudeTracers) Tracer(name string, o ...trace.TracerOption) trace.Tracer {
	p.do()
	return p.TracerProvider.Tracer(name, o...)
}

// rudeHandler is a log handler.
type rudeHandler struct {
	slog.Handler
	handle func() error
	enable func()
}

func (h rudeHandler) Handle(ctx context.Context, r slog.Record) error {
	return errors.Join(h.handle(), h.Handler.Handle(ctx, r))
}

func (h rudeHandler) Enabled(ctx context.Context, l slog.Level) bool {
	h.enable()
	return h.Handler.Enabled(ctx, l)
}

// rudeReader is a reader of the user.
type rudeReader struct {
	*sdkmetric.ManualReader
	collect func() error
}

func (r rudeReader) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	if err := r.collect(); err != nil {
		return err
	}
	return r.ManualReader.Collect(ctx, rm)
}

func nothing() {}

// kinds are the kinds of foreign code that a Monitor calls. class is the error.type by deed.
var kinds = []struct {
	name  string
	setup func(c *cell)
	none  map[string]string // cells without a test, and why
}{
	{"check", func(c *cell) {
		c.class = map[string]string{"panic": "panic", "block": "timeout", "exit": "exited", "10 MB": "*errors.errorString", "cycle": "rude"}[c.deed]
		c.attack(func(context.Context) error { c.do(); return c.err() })
	}, nil},
	{"error of a check", func(c *cell) {
		c.class = map[string]string{"panic": "panic", "block": "stale", "exit": "exited", "10 MB": "*errors.errorString"}[c.deed]
		if c.class == "" {
			c.class = "rude"
		}
		c.attack(func(context.Context) error {
			if c.armed.Load() && c.deed != "10 MB" {
				return rudeError{c.do}
			}
			return c.err()
		})
	}, nil},
	{"value of a panic", func(c *cell) {
		c.class = "panic"
		c.attack(func(context.Context) error {
			switch {
			case !c.armed.Load():
				return nil
			case c.deed == "10 MB":
				panic(strings.Repeat("hunter2", 10<<20/7))
			case c.deed == "cycle":
				circle := []any{nil}
				circle[0] = circle
				panic(circle)
			}
			panic(rudeError{c.do})
		})
	}, nil},
	{"log handler", func(c *cell) {
		c.handler = func(h slog.Handler) slog.Handler {
			return rudeHandler{h, func() error { c.do(); return c.err() }, nothing}
		}
	}, nil},
	{"level of a log handler", func(c *cell) {
		c.handler = func(h slog.Handler) slog.Handler { return rudeHandler{h, func() error { return nil }, c.do} }
	}, map[string]string{"10 MB": "Enabled returns a bool", "cycle": "Enabled returns a bool"}},
	{"start of a span", func(c *cell) {
		c.tracing = append(c.tracing, sdktrace.WithSpanProcessor(rudeSpans{func(s sdktrace.ReadWriteSpan) {
			c.do()
			if c.armed.Load() && c.deed == "10 MB" {
				s.SetAttributes(attribute.String("x", strings.Repeat("x", 10<<20)))
			}
		}, func(sdktrace.ReadWriteSpan) {}}))
	}, map[string]string{"cycle": "OnStart returns nothing"}},
	{"end of a span", func(c *cell) {
		c.tracing = append(c.tracing, sdktrace.WithSpanProcessor(rudeSpans{func(sdktrace.ReadWriteSpan) {}, func(sdktrace.ReadWriteSpan) { c.do() }}))
	}, map[string]string{"10 MB": "OnEnd returns nothing", "cycle": "OnEnd returns nothing"}},
	{"tracer provider", func(c *cell) {
		c.armed.Store(true)
		c.tracer = func(tp trace.TracerProvider) trace.TracerProvider { return rudeTracers{tp, c.do} }
	}, map[string]string{"10 MB": "a Tracer has no text", "cycle": "a Tracer is called by its own name"}},
	{"filter of a view", func(c *cell) {
		c.blind = c.deed == "block" || c.deed == "exit" // the SDK asks it in each collection, for instruments that are observed
		c.views = append(c.views, func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			return sdkmetric.Stream{Name: i.Name, AttributeFilter: func(attribute.KeyValue) bool { c.do(); return true }}, strings.HasPrefix(i.Name, "health.")
		})
	}, map[string]string{"10 MB": "a filter returns a bool", "cycle": "a filter returns a bool"}},
	{"filter of recorded metrics", func(c *cell) {
		c.views = append(c.views, func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			return sdkmetric.Stream{Name: i.Name, AttributeFilter: func(attribute.KeyValue) bool { c.do(); return true }},
				i.Name == "health.check.duration" || strings.HasSuffix(i.Name, ".transitions")
		})
	}, map[string]string{"10 MB": "a filter returns a bool", "cycle": "a filter returns a bool"}},
	{"view", func(c *cell) {
		c.armed.Store(c.deed != "exit" && c.deed != "block")
		c.views = append(c.views, func(i sdkmetric.Instrument) (s sdkmetric.Stream, ok bool) {
			if i.Name == "late" {
				c.do()
			}
			if c.deed == "10 MB" {
				s, ok = sdkmetric.Stream{Name: i.Name, Description: strings.Repeat("x", 10<<20)}, i.Name == "late"
			}
			return s, ok
		})
		c.prepare = func(k *kit) { // the user creates an instrument while the Monitor runs
			c.armed.Store(true)
			go func() { _, _ = k.provider.Meter("test").Int64Counter("late") }()
		}
	}, map[string]string{"cycle": "a Stream can't hold itself"}},
	{"length of a queue", func(c *cell) {
		c.prepare = func(k *kit) { k.Queue("jobs", 10, func() int { c.do(); return 3 }) }
	}, map[string]string{"10 MB": "length returns an int", "cycle": "length returns an int"}},
	{"callback", func(c *cell) {
		c.blind = c.deed == "block" || c.deed == "panic" || c.deed == "exit" // in a provider of the user, it costs his collections
		c.prepare = func(k *kit) {
			if _, err := k.provider.Meter("test").Int64ObservableGauge("pool", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
				c.do()
				return c.err()
			})); err != nil {
				k.t.Error(err)
			}
		}
	}, nil},
	{"reader", func(c *cell) {
		c.prepare = func(k *kit) {}
		c.metrics = nil
	}, nil},
	{"subscriber", func(c *cell) {
		c.prepare = func(k *kit) {
			go func() {
				defer func() { _ = recover() }() // it is the user's goroutine
				for range k.Watch(context.Background()) {
					if c.done.Load() < 50 { // a call of us makes the next verdict
						c.do()
					}
				}
			}()
		}
	}, map[string]string{"10 MB": "a loop returns nothing", "cycle": "a loop returns nothing"}},
}

// attack adds the check that does the deed.
func (c *cell) attack(f func(context.Context) error) {
	c.config.Checks = append(c.config.Checks, Check{Name: "attacked", OnFail: ShowOnly, FailureThreshold: 1, Func: f})
}

// TestMatrix: foreign code of each kind does each deed, and costs at most its own answer. Each kind has
// a process of its own, which a deed may end or hang.
func TestMatrix(t *testing.T) {
	const variable = "OTELHEALTH_TEST_MATRIX"
	for n, kind := range kinds {
		if os.Getenv(variable) == kind.name {
			for _, deed := range deeds {
				if kind.none[deed] != "" {
					continue
				}
				t.Run(deed, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c := &cell{deed: deed, open: make(chan struct{}), lock: make(chan struct{}, 1)}
						kind.setup(c)
						c.check(t, kind.name)
					})
				})
			}
			return
		}
		if os.Getenv(variable) != "" {
			continue
		}
		for deed := range kind.none {
			if !slices.Contains(deeds, deed) {
				t.Errorf("%s: no deed is called %q", kind.name, deed)
			}
		}
		t.Run(kind.name, func(t *testing.T) {
			if n%2 == 0 {
				t.Parallel()
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMatrix$", "-test.v", "-test.timeout=5m")
			cmd.Env = append(os.Environ(), variable+"="+kind.name)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v:\n%.8000s", err, out)
			}
			for _, deed := range deeds {
				passed := strings.Contains(string(out), "--- PASS: TestMatrix/"+strings.ReplaceAll(deed, " ", "_"))
				if kind.none[deed] == "" && !passed {
					t.Errorf("%s has not passed", deed)
				}
			}
		})
	}
}

// check starts a Monitor, does the deed for some runs, and checks that everything else still works.
func (c *cell) check(t *testing.T, kind string) {
	var runs atomic.Int64
	c.config.Checks = append(c.config.Checks, Check{Name: "other", Func: func(context.Context) error { runs.Add(1); return nil }})
	flips := atomic.Bool{}
	c.config.Checks = append(c.config.Checks, Check{Name: "flips", OnFail: ShowOnly, FailureThreshold: 1, SuccessThreshold: 1, Interval: time.Second,
		Func: func(context.Context) error { // fails sometimes, so that there are transitions and log lines
			if flips.Swap(!flips.Load()) {
				return errDown
			}
			return nil
		}})
	c.config.Rules = append(c.config.Rules, rule.Rule{Name: "requests", OnFail: ShowOnly, Value: rule.Last("queue.length"), Fail: rule.Above(100)})
	scraper := sdkmetric.NewManualReader()
	k := &kit{t: t, Monitor: New(c.config), reader: sdkmetric.NewManualReader(), mux: http.NewServeMux()}
	c.k = k
	k.handler = k.Wrap(k.mux)
	k.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader), sdkmetric.WithReader(scraper), sdkmetric.WithView(k.View(c.views...)))
	k.pipeline = quiet(k.reader, k.provider)
	if kind == "reader" {
		c.blind = c.deed == "block"
		k.pipeline.Reader = rudeReader{k.reader, func() error { c.do(); return c.err() }}
	}
	spans := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(append([]sdktrace.TracerProviderOption{sdktrace.WithSpanProcessor(spans)}, c.tracing...)...)
	k.pipeline.TracerProvider = tp
	if c.tracer != nil {
		k.pipeline.TracerProvider = c.tracer(tp)
	}
	log := &logged{}
	var handler slog.Handler = slog.NewTextHandler(log, nil)
	if c.handler != nil {
		handler = c.handler(handler)
	}
	k.pipeline.Logger = slog.New(handler)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	began := time.Now()
	if err := k.StartWith(ctx, k.pipeline); err != nil || time.Since(began) > startPatience {
		t.Fatalf("Start: %v after %v", err, time.Since(began))
	}
	if c.prepare != nil {
		c.prepare(k)
	}
	wait(6 * time.Second)
	over := make(chan struct{})
	if c.deed == "lock" { // the user calls us while holding a lock for which the foreign code waits
		go func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(50 * time.Millisecond):
				}
				c.lock <- struct{}{}
				c.call()
				<-c.lock
			}
		}()
	}
	c.armed.Store(true)
	before, ended := runs.Load(), len(spans.Ended())
	wait(16 * time.Second)

	if done := c.done.Load(); done == 0 && c.deed != "10 MB" && c.deed != "cycle" && kind != "value of a panic" {
		t.Error("the deed was never done")
	}
	if n := runs.Load() - before; n < 3 {
		t.Errorf("the other check has run %d times", n)
	}
	for path, code := range map[string]int{"/health": 200, "/startup": 200, "/ready": 200, "/ready?verbose": 200} {
		if got, body := k.get(path); got != code && !(c.blind && strings.HasPrefix(path, "/ready")) {
			t.Errorf("%s: %d %v", path, got, body)
		}
	}
	if r := k.result("other"); r.State != verdict.Pass {
		t.Errorf("the other check is %s (%s)", r.State, r.Reason)
	}
	if c.class != "" {
		if r := k.result("attacked"); !strings.HasSuffix(r.Reason, c.class) && r.State != verdict.Stale {
			t.Errorf("the check is %s (%s), want %s", r.State, r.Reason, c.class)
		}
	}
	if !strings.Contains(kind, "span") && !strings.Contains(kind, "tracer") && len(spans.Ended()) < ended+5 {
		t.Errorf("%d spans have ended", len(spans.Ended())-ended)
	}
	c.scrape(t, kind, scraper)
	details := httptest.NewRecorder()
	k.DetailsHandler().ServeHTTP(details, httptest.NewRequest(http.MethodGet, "/", nil))
	if n := details.Body.Len(); n > 16<<10 {
		t.Errorf("the operators' body has %d bytes", n)
	}
	if n := guard.Left(); n > 4 { // one for the metrics of each check, and for the transitions
		t.Errorf("%d calls are left behind", n)
	}

	close(over)
	stopping := time.Now()
	cancel()
	k.Stop()
	if took := time.Since(stopping); took > 2*time.Second {
		t.Errorf("Stop has taken %v", took)
	}
	c.armed.Store(false)
	close(c.open)
	wait(time.Minute)
	out := log.take()
	if len(out) > 64<<10 || strings.Contains(out, "hunter2") {
		t.Errorf("the log has %d bytes: %.2000s", len(out), out)
	}
}

// scrape collects as a scraper of the user would.
func (c *cell) scrape(t *testing.T, kind string, scraper *sdkmetric.ManualReader) {
	if c.blind && kind != "reader" {
		return // the SDK asks the callback, or the filter, for this reader too
	}
	done := make(chan error, 1)
	var rm metricdata.ResourceMetrics
	go func() { done <- scraper.Collect(context.Background(), &rm) }()
	select {
	case <-done: // a callback's error costs its own instrument
	case <-time.After(5 * time.Second):
		t.Error("a scrape hangs")
		return
	}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name == "health.check.status" {
				return
			}
		}
	}
	t.Error(fmt.Sprint("a scrape has no health.check.status: ", len(rm.ScopeMetrics)))
}
