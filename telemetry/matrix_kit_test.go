package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// password is in each text that foreign code gives.
const password = "S3cr3tPw"

// The deeds of foreign code.
var deeds = []string{"error", "panic", "block", "exit", "re-enter", "10 MB", "cycle"}

// cell is one kind of foreign code that does one deed.
type cell struct {
	deed  string
	armed atomic.Bool
	done  atomic.Int64 // how often it was done
	open  chan struct{}
	tel   *Telemetry
	cfg   Config
	act   func() // of the user, on a goroutine of his own
	next  http.Handler
	blind bool // /metrics has no answer
}

// do does the deed.
func (c *cell) do() {
	if !c.armed.Load() {
		return
	}
	n := c.done.Add(1)
	switch c.deed {
	case "panic":
		panic(rudeError{text: password})
	case "block":
		<-c.open
	case "exit":
		runtime.Goexit()
	case "re-enter":
		if n < 4 { // it asks itself
			c.tel.Logger.Info("again")
			_, _ = c.tel.MeterProvider.Meter("inside").Int64Counter("made.inside")
			c.tel.MetricsHandler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
		}
	}
}

// err is the error of foreign code, if that is the deed.
func (c *cell) err() error {
	if !c.armed.Load() {
		return nil
	}
	switch c.deed {
	case "error":
		return errors.New(password)
	case "10 MB":
		return errors.New(strings.Repeat(password, 10<<20/len(password)))
	case "cycle":
		return rudeError{text: password, circle: true}
	}
	return nil
}

// rudeError is an error that does a deed in its methods, and may unwrap to itself.
type rudeError struct {
	do     func()
	text   string
	circle bool
}

func (e rudeError) Error() string {
	if e.do != nil {
		e.do()
	}
	return e.text
}
func (e rudeError) String() string { return e.Error() }
func (e rudeError) Is(error) bool  { _ = e.Error(); return false }
func (e rudeError) Unwrap() error {
	if e.circle {
		return e
	}
	return nil
}

// rudeValue is a value of a log line.
type rudeValue func() slog.Value

func (v rudeValue) LogValue() slog.Value { return v() }

// rudeProducer is a Producer.
type rudeProducer func() error

func (p rudeProducer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return nil, p() }

// rudeExporter is an exporter of the user.
type rudeExporter struct {
	sdkmetric.Exporter
	export func() error
}

func (x rudeExporter) Export(context.Context, *metricdata.ResourceMetrics) error { return x.export() }
func (x rudeExporter) Shutdown(context.Context) error                            { return x.export() }
func (rudeExporter) ForceFlush(context.Context) error                            { return nil }

// rudeCollector is a collector of the user.
type rudeCollector struct {
	desc    *prometheus.Desc
	collect func() error
}

func (c rudeCollector) Describe(to chan<- *prometheus.Desc) { to <- c.desc }
func (c rudeCollector) Collect(to chan<- prometheus.Metric) {
	if err := c.collect(); err != nil {
		to <- prometheus.NewInvalidMetric(c.desc, err)
	}
}

// rudeReservoir has the exemplars of a view of the user.
type rudeReservoir struct {
	exemplar.Reservoir
	do func()
}

func (r rudeReservoir) Collect(to *[]exemplar.Exemplar) { r.do(); r.Reservoir.Collect(to) }

// receiver is a collector that keeps what it gets.
type receiver struct {
	mu     sync.Mutex
	bodies map[string]*bytes.Buffer // by path
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	var body io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(req.Body)
	}
	b, _ := io.ReadAll(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bodies[req.URL.Path] == nil {
		r.bodies[req.URL.Path] = &bytes.Buffer{}
	}
	r.bodies[req.URL.Path].Write(b)
}

// take returns what has come to a path.
func (r *receiver) take(path string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bodies[path]
	delete(r.bodies, path)
	if b == nil {
		return ""
	}
	return b.String()
}

// within fails if f has not returned long after the time that it may take. Foreign code that hangs hangs for ever.
func within(t *testing.T, what string, most time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(most + 10*time.Second):
		t.Errorf("%s hangs", what)
	}
}
