package healthcheck_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/rule"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// A stream is a Monitor on the real SDK, in a bubble.
type stream struct {
	*testing.T
	m        *healthcheck.Monitor
	provider *sdkmetric.MeterProvider
	reader   sdkmetric.Reader
	meter    metric.Meter
}

// exponential makes all histograms exponential.
func exponential(maxSize int32) sdkmetric.View {
	return sdkmetric.NewView(sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: maxSize, MaxScale: 20}})
}

func hostile(t *testing.T, base []sdkmetric.View, options []sdkmetric.Option, rules []rule.Rule, f func(*stream)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stream{T: t, m: healthcheck.New(healthcheck.Config{Rules: rules}), reader: sdkmetric.NewManualReader()}
		s.provider = sdkmetric.NewMeterProvider(append([]sdkmetric.Option{sdkmetric.WithReader(s.reader), sdkmetric.WithView(s.m.View(base...))}, options...)...)
		s.meter = s.provider.Meter("app")
		f(s)
		s.m.Stop()
		synctest.Wait()
	})
}

func (s *stream) start() {
	s.Helper()
	err := s.m.StartWith(s.Context(), healthcheck.Pipeline{Reader: s.reader, MeterProvider: s.provider, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		s.Fatal(err)
	}
	s.pass(500 * time.Millisecond) // events lie between two collections
}

func (s *stream) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *stream) result(name string) verdict.Result {
	s.Helper()
	for _, r := range s.m.Verdict().Results {
		if r.Name == name {
			return r
		}
	}
	s.Fatalf("no rule %s", name)
	return verdict.Result{}
}

func show(r verdict.Result) string {
	value := "null"
	if r.Value != nil {
		value = fmt.Sprint(*r.Value)
	}
	return fmt.Sprintf("%s is %s, value %s: %q", r.Name, r.State, value, r.Reason)
}

// want checks a state and that the reason contains a text.
func (s *stream) want(name string, state verdict.State, reason string) {
	s.Helper()
	r := s.result(name)
	if r.State != state || !strings.Contains(r.Reason, reason) {
		s.Errorf("%s; want %s, %q", show(r), state, reason)
	}
}

// never checks that the state is none of these.
func (s *stream) never(name string, states ...verdict.State) {
	s.Helper()
	r := s.result(name)
	for _, state := range states {
		if r.State == state {
			s.Errorf("%s; want another state", show(r))
		}
	}
}

// A table has the values of an observable instrument, whose series come and go.
type table struct {
	mu sync.Mutex
	at map[string]int64
}

func (c *table) set(key string, v int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[key] = v
}

func (c *table) add(key string, v int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[key] += v
}

func (c *table) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.at, key)
}

func (c *table) observe(_ context.Context, o metric.Int64Observer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, v := range c.at {
		o.Observe(v, metric.WithAttributes(attribute.String("key", k)))
	}
	return nil
}

func (s *stream) observable(name string, values map[string]int64) *table {
	c := &table{at: values}
	if _, err := s.meter.Int64ObservableCounter(name, metric.WithInt64Callback(c.observe)); err != nil {
		s.Fatal(err)
	}
	return c
}

func (s *stream) histogram(name, unit string, bounds ...float64) func(n int, value float64, pairs ...string) {
	options := []metric.Float64HistogramOption{metric.WithUnit(unit)}
	if bounds != nil {
		options = append(options, metric.WithExplicitBucketBoundaries(bounds...))
	}
	h, err := s.meter.Float64Histogram(name, options...)
	if err != nil {
		s.Fatal(err)
	}
	return func(n int, value float64, pairs ...string) {
		for range n {
			h.Record(context.Background(), value, with(pairs))
		}
	}
}

func (s *stream) counter(name string) func(n int64, pairs ...string) {
	c, err := s.meter.Int64Counter(name)
	if err != nil {
		s.Fatal(err)
	}
	return func(n int64, pairs ...string) { c.Add(context.Background(), n, with(pairs)) }
}

func with(pairs []string) metric.MeasurementOption {
	var kv []attribute.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		kv = append(kv, attribute.String(pairs[i], pairs[i+1]))
	}
	return metric.WithAttributes(kv...)
}
