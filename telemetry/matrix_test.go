package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/promhealth"
)

const whileRecording = "the SDK calls it where somebody records, so it costs that goroutine"

// rudeKinds are the kinds of foreign code that telemetry calls.
var rudeKinds = []struct {
	name  string
	setup func(c *cell)
	none  map[string]string // cells without a test, and why
}{
	{"callback", func(c *cell) {
		c.act = func() {
			_, _ = c.tel.MeterProvider.Meter("test").Int64ObservableGauge("rude", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
				c.do()
				return c.err()
			}))
		}
	}, nil},
	{"producer", func(c *cell) {
		c.cfg.Producers = []sdkmetric.Producer{rudeProducer(func() error { c.do(); return c.err() })}
	}, nil},
	{"log handler", func(c *cell) {
		c.cfg.Logger = slog.New(handlerFunc(func(slog.Record) error { c.do(); return c.err() }))
		c.next = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(password) }) // a line with the request's span
	}, nil},
	{"value of a log line", func(c *cell) {
		c.act = func() {
			c.tel.Logger.Info("line", "value", rudeValue(func() slog.Value {
				c.do()
				switch c.deed {
				case "10 MB":
					return slog.StringValue(strings.Repeat("x", 10<<20))
				case "cycle":
					v := rudeValue(nil)
					v = func() slog.Value { return slog.AnyValue(v) }
					return slog.AnyValue(v)
				}
				return slog.Value{}
			}))
		}
	}, map[string]string{"error": "LogValue returns no error"}},
	{"error of a log line", func(c *cell) {
		c.act = func() {
			text := "text"
			if c.deed == "10 MB" {
				text = strings.Repeat("x", 10<<20)
			}
			c.tel.Logger.Info("line", "err", rudeError{c.do, text, c.deed == "cycle"})
		}
	}, map[string]string{"error": "it is one: the user writes its text"}},
	{"error of another library", func(c *cell) {
		c.act = func() {
			text := "text"
			if c.deed == "10 MB" {
				text = strings.Repeat("x", 10<<20)
			}
			c.tel.errorLogger.Handle(rudeError{c.do, text, c.deed == "cycle"}) // with SetGlobals
		}
	}, map[string]string{"error": "its text is what OpenTelemetry's error handler is for"}},
	{"exporter", func(c *cell) {
		// It exports at Close. Before, it would run on a goroutine of the SDK that the user has made.
		x := rudeExporter{&exported{}, func() error { c.do(); return c.err() }}
		c.cfg.Readers = []sdkmetric.Reader{sdkmetric.NewPeriodicReader(x, sdkmetric.WithInterval(time.Hour))}
	}, map[string]string{"cycle": "the SDK's reader asks errors.Is, which never ends; Close does not wait for it"}},
	{"view", func(c *cell) {
		c.cfg.Views = []sdkmetric.View{func(i sdkmetric.Instrument) (s sdkmetric.Stream, ok bool) {
			if i.Name == "rude" {
				c.do()
				if c.deed == "10 MB" {
					return sdkmetric.Stream{Description: strings.Repeat("x", 10<<20)}, true
				}
			}
			return s, false
		}}
		c.act = func() { _, _ = c.tel.MeterProvider.Meter("test").Int64Counter("rude") }
	}, map[string]string{"error": "a View returns none", "cycle": "a Stream can't hold itself",
		"block": "the SDK calls it with a lock of the meter, on the goroutine that makes the instrument",
		"exit":  "the same", "re-enter": "the same: it makes an instrument"}},
	{"filter of a view", func(c *cell) {
		c.cfg.Views = []sdkmetric.View{func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			return sdkmetric.Stream{AttributeFilter: func(attribute.KeyValue) bool { c.do(); return true }}, i.Name == "rude"
		}}
		c.act = func() {
			_, _ = c.tel.MeterProvider.Meter("test").Int64ObservableGauge("rude", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(1, metric.WithAttributes(attribute.String("k", "v")))
				return nil
			}))
		}
	}, map[string]string{"error": "a filter returns a bool", "10 MB": "a filter returns a bool", "cycle": "a filter returns a bool",
		"block": whileRecording, "exit": whileRecording, "re-enter": whileRecording}},
	{"reservoir of a view", func(c *cell) {
		c.cfg.Views = []sdkmetric.View{func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			return sdkmetric.Stream{ExemplarReservoirProviderSelector: func(agg sdkmetric.Aggregation) exemplar.ReservoirProvider {
				return func(set attribute.Set) exemplar.Reservoir {
					return rudeReservoir{sdkmetric.DefaultExemplarReservoirProviderSelector(agg)(set), c.do}
				}
			}}, i.Name == "rude"
		}}
		c.act = func() {
			counter, _ := c.tel.MeterProvider.Meter("test").Int64Counter("rude")
			counter.Add(context.Background(), 1)
		}
	}, map[string]string{"error": "a reservoir returns none", "10 MB": "exemplars have numbers", "cycle": "exemplars have numbers",
		"block": whileRecording, "exit": whileRecording, "re-enter": whileRecording}},
	{"collector", func(c *cell) {
		registry := prometheus.NewRegistry()
		registry.MustRegister(rudeCollector{prometheus.NewDesc("rude", "rude", nil, nil), func() error { c.do(); return c.err() }})
		c.cfg.Registry = registry
		c.blind = c.deed == "block" // the user's own registry has no answer either
	}, map[string]string{"exit": "client_golang waits for it for ever, as for one that blocks"}},
	{"gatherer", func(c *cell) {
		registry := prometheus.NewRegistry()
		c.cfg.Registry = promhealth.Join(registry, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			c.do()
			all, err := registry.Gather()
			return append(all, nil), errors.Join(err, c.err())
		}))
		c.blind = c.deed == "block" || c.deed == "panic" || c.deed == "exit"
	}, nil},
	{"handler", func(c *cell) {
		c.next = http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {
			switch c.deed {
			case "error":
				panic(errors.New(password))
			case "10 MB":
				panic(strings.Repeat(password, 10<<20/len(password)))
			case "cycle":
				circle := []any{nil}
				circle[0] = circle
				panic(circle)
			}
			panic(rudeError{do: c.do, text: password})
		})
	}, map[string]string{"exit": "as net/http alone: it ends the goroutine of the connection"}},
	{"attribute", func(c *cell) {
		c.act = func() {
			_, span := c.tel.TracerProvider.Tracer("test").Start(context.Background(), "span")
			defer span.End()
			text := "text"
			if c.deed == "10 MB" {
				text = strings.Repeat("x", 10<<20)
			}
			span.SetAttributes(attribute.Stringer("k", rudeError{c.do, text, false})) // calls String on the user's goroutine
			span.RecordError(errors.New(password), trace.WithAttributes(attribute.String("k", text)))
		}
	}, map[string]string{"cycle": "an attribute.Value can't hold itself"}},
}

// TestMatrix: foreign code of each kind does each deed, and at most its own answer is missing: requests, scrapes,
// exports and Close work, and no output has the password. Each kind has a process of its own, because a deed may end
// it or make it hang.
func TestMatrix(t *testing.T) {
	const variable = "OTELHEALTH_TEST_MATRIX"
	for _, kind := range rudeKinds {
		if os.Getenv(variable) == kind.name {
			for _, deed := range deeds {
				if kind.none[deed] == "" {
					t.Run(deed, func(t *testing.T) {
						c := &cell{deed: deed, open: make(chan struct{})}
						kind.setup(c)
						c.check(t, kind.name)
					})
				}
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
			t.Parallel()
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

// check starts a Telemetry, lets the deed be done, and looks at all that must not suffer.
func (c *cell) check(t *testing.T, kind string) {
	got := &receiver{bodies: map[string]*bytes.Buffer{}}
	collector := httptest.NewServer(got)
	defer collector.Close()
	for name, value := range map[string]string{"ENDPOINT": collector.URL, "PROTOCOL": "http/protobuf", "COMPRESSION": "none"} {
		t.Setenv("OTEL_EXPORTER_OTLP_"+name, value)
	}
	log := &syncBuffer{}
	if c.cfg.Logger == nil {
		c.cfg.Logger = slog.New(slog.NewJSONHandler(log, nil))
	}
	tel, err := Start(t.Context(), c.cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.tel = tel
	c.armed.Store(true)
	var outputs strings.Builder
	if c.act != nil {
		acted := make(chan struct{})
		go func() {
			defer close(acted)
			defer func() { _ = recover() }() // it is the user's goroutine
			c.act()
		}()
		if c.deed != "block" {
			<-acted
		}
	}
	want := http.StatusOK
	next := c.next
	if next == nil {
		next = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	} else {
		want = http.StatusInternalServerError
	}
	if kind == "handler" && c.deed == "re-enter" {
		next = tel.Instrument(next) // a handler that calls us is another handler inside
	}
	within(t, "a request", 0, func() {
		w := httptest.NewRecorder()
		tel.Instrument(next).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != want {
			t.Errorf("the request was answered %d", w.Code)
		}
		fmt.Fprintln(&outputs, "answer:", w.Body)
	})
	within(t, "a scrape", 10*time.Second, func() {
		w := httptest.NewRecorder()
		tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if ok := w.Code == http.StatusOK && strings.Contains(w.Body.String(), "go_goroutine"); ok == c.blind {
			t.Errorf("/metrics: %d %.500s", w.Code, w.Body)
		}
		fmt.Fprintln(&outputs, "/metrics:", w.Body)
	})
	within(t, "an export", gatherLimit, func() {
		if err := tel.Reader.(*collection).ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		if body := got.take("/v1/metrics"); !strings.Contains(body, "go.goroutine.count") {
			t.Errorf("the export of metrics has %d bytes", len(body))
		} else {
			fmt.Fprintln(&outputs, "metrics:", body)
		}
	})
	within(t, "Close", closeLimit, func() {
		if err := tel.Close(); err != nil {
			fmt.Fprintln(&outputs, "Close:", err)
		}
	})
	close(c.open)
	if c.done.Load() == 0 && slices.Contains([]string{"panic", "block", "exit", "re-enter"}, c.deed) && kind != "handler" {
		t.Error("the deed was never done")
	}
	spans, lines := got.take("/v1/traces"), log.String()
	if !strings.Contains(spans, "GET") {
		t.Errorf("the export of spans has %d bytes", len(spans))
	}
	fmt.Fprintln(&outputs, "metrics:", got.take("/v1/metrics"), "spans:", spans, "logs:", got.take("/v1/logs"))
	if kind != "error of a log line" { // slog's handler writes the text of a panic
		fmt.Fprintln(&outputs, "log:", lines)
	}
	out := outputs.String()
	if at := strings.Index(out, password); at >= 0 {
		t.Errorf("the password is in …%.300s…", out[max(0, at-200):])
	}
	if limit := 2 << 20; len(out) > limit && kind != "value of a log line" && kind != "error of a log line" { // the user's own line
		t.Errorf("the outputs have %d bytes", len(out))
	}
}
