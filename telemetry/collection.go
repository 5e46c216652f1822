package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// collection is the reader of the provider. The Monitor, scrapes and the exporter read its
// snapshots. So the judged metrics are the exported ones, every measurement is aggregated once, and
// every callback is asked once.
//
// It is a ManualReader, so that the SDK takes it. Its own Collect makes no snapshot, because a
// caller of the SDK's interface may keep and change what it gets.
type collection struct {
	*sdkmetric.ManualReader
	producers []*producing
	faults    *faults
	delivery  *delivery // by OTLP; nil if OTLP has a reader of its own, or nothing is exported

	mu        sync.Mutex
	begun     int     // number of flights
	forgotten int     // number of the last flight that is too old for any later reader
	flight    *flight // in progress; nil if none
	landed    *flight // the last one that has ended; nil if none
}

// snapshot has the metrics of one moment. Nobody changes it. Its memory is not reused: that would
// save a quarter of a collection's cost, but need a count of readers.
type snapshot = metricdata.ResourceMetrics

// flight is a collection in progress. A reader that asks while it runs waits for it, or for the next.
type flight struct {
	number int
	began  time.Time
	done   chan struct{}
	result *snapshot // if nil, err says why; both are final when done is closed
	err    error
}

// collectLimit is how long a collection waits for all callbacks together.
const collectLimit = 2 * time.Second

func newCollection(cfg Config, res *resource.Resource, faults *faults) *collection {
	c := &collection{ManualReader: sdkmetric.NewManualReader(), faults: faults}
	instance := ""
	if id, ok := res.Set().Value(semconv.ServiceInstanceIDKey); ok && cfg.Registry != nil {
		instance = id.AsString()
	}
	for _, p := range cfg.Producers {
		c.producers = append(c.producers, &producing{producer: p, faults: faults, instance: instance})
	}
	return c
}

// Snapshot returns a snapshot that has begun after the call. healthcheck and promhealth find it by
// its name.
func (c *collection) Snapshot(ctx context.Context) (*metricdata.ResourceMetrics, error) {
	return c.snapshot(ctx, 0, nil)
}

// snapshot returns a snapshot that was at most as old as age at the call, and is not the known one.
func (c *collection) snapshot(ctx context.Context, age time.Duration, known *snapshot) (*snapshot, error) {
	c.mu.Lock()
	needed := c.begun + 1
	for _, f := range []*flight{c.flight, c.landed} {
		if f != nil && f.number > c.forgotten && age > 0 && time.Since(f.began) <= age && (known == nil || f.result != known) {
			needed = f.number
		}
	}
	for {
		if f := c.landed; f != nil && f.number >= needed {
			c.mu.Unlock()
			return f.result, f.err
		}
		f := c.flight
		if f == nil {
			c.begun++
			f = &flight{number: c.begun, began: time.Now(), done: make(chan struct{})}
			c.flight = f
			go c.fly(f)
		}
		c.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("collecting metrics has taken %v: %w", time.Since(f.began).Round(time.Millisecond), ctx.Err())
		}
		c.mu.Lock()
	}
}

// forget makes the next reader collect, even if it takes an older snapshot.
func (c *collection) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten = c.begun
}

// fly collects. It has a goroutine of its own, because a filter of a view may do anything.
func (c *collection) fly(f *flight) {
	s := &snapshot{}
	guard.Do(func() error { return c.Collect(context.Background(), s) }, func(err error) {
		if _, is := err.(*guard.Fault); is {
			failed := faultOf(err)
			failed.what = "collecting metrics"
			c.faults.report(failed, "collection", failed.what)
			err = failed
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if f.err = err; err == nil {
			f.result = s
		}
		c.flight, c.landed = nil, f
		close(f.done)
	})
}

// Collect collects into rm. A callback or Producer that has failed was reported, and is missing.
func (c *collection) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	collecting, cancel := context.WithTimeout(ctx, collectLimit)
	defer cancel()
	err := c.ManualReader.Collect(collecting, rm)
	switch {
	case err == nil:
	case rm == nil, ctx.Err() != nil, errors.Is(err, sdkmetric.ErrReaderShutdown), errors.Is(err, sdkmetric.ErrReaderNotRegistered):
		return err
	default: // of a callback that is our own or a library's
		c.faults.report(&fault{how: "error", text: "returns a " + typeOf(err)}, "callback", "a callback")
	}
	for _, p := range c.producers {
		rm.ScopeMetrics = append(rm.ScopeMetrics, p.produce(collecting)...)
	}
	return nil
}

// ForceFlush exports the current metrics.
func (c *collection) ForceFlush(ctx context.Context) error {
	if c.delivery == nil {
		return nil
	}
	return c.delivery.flush(ctx, c.delivery.reader.ForceFlush)
}

// Shutdown exports for the last time.
func (c *collection) Shutdown(ctx context.Context) (err error) {
	if c.delivery != nil {
		err = c.delivery.flush(ctx, c.delivery.reader.Shutdown)
	}
	return errors.Join(err, c.ManualReader.Shutdown(ctx))
}

// producing is a Producer of the user. Like a callback, only its own metrics are missing if it fails.
type producing struct {
	producer sdkmetric.Producer
	question question[[]metricdata.ScopeMetrics]
	faults   *faults
	instance string // service.instance.id of /metrics in Config.Registry; empty without one
}

func (p *producing) produce(ctx context.Context) []metricdata.ScopeMetrics {
	scopes, failed := p.question.ask(ctx, func(ctx context.Context, scopes *[]metricdata.ScopeMetrics) (err error) {
		*scopes, err = p.producer.Produce(ctx)
		return err
	})
	if p.instance != "" && isOf(scopes, p.instance) {
		scopes, failed = nil, &fault{how: "error", text: "is left out: " + errNesting.Error()}
	}
	sound, malformed := soundScopes(scopes)
	if failed == nil {
		failed = malformed
	}
	p.faults.report(failed, "producer", fmt.Sprintf("the Producer %T", p.producer))
	return sound
}

// isOf reports whether a Producer has gathered the /metrics of an instance.
func isOf(scopes []metricdata.ScopeMetrics, instance string) bool {
	for _, sm := range scopes {
		for _, m := range sm.Metrics {
			if d, ok := m.Data.(metricdata.Gauge[float64]); ok && m.Name == "target_info" {
				for _, p := range d.DataPoints {
					if id, _ := p.Attributes.Value("service_instance_id"); id.AsString() == instance {
						return true
					}
				}
			}
		}
	}
	return false
}

// Produce implements sdkmetric.Producer for a reader of the SDK. It returns no error, because such a
// reader exports nothing after one.
func (p *producing) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	return p.produce(ctx), nil
}

// uncollected counts what a collection lacks together with failed exports, so that the telemetry
// check, its panel and its alert show it.
func (o *outcomes) uncollected(how string) {
	o.metrics.lose(1, how) // at least one
	if c := o.failures.Load(); c != nil {
		(*c).Add(context.Background(), 1, metric.WithAttributes(attrSignal.String(o.metrics.signal), semconv.ErrorTypeKey.String(how)))
	}
}
