// Package collect collects from a source, on a goroutine of its own, and hands each collection
// to the samplers of evidence. It knows which instruments have been created.
//
// In: a [Source], which may block for ever or panic. Out: samples, and [Collector.Running],
// which never waits. It holds no lock while the source is asked. It does not judge.
package collect

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Source is what is collected from.
type Source interface {
	Collect(context.Context, *metricdata.ResourceMetrics) error
}

// A Collector samples a source. Collect can hang for ever in somebody's
// callback, so it has a goroutine to itself, and the judge only looks at how long
// the collection in progress has taken.
type Collector struct {
	source    Source
	mu        sync.Mutex // of samplers, never held while the source is asked
	samplers  []*evidence.Sampler
	registry  *Registry
	done      func(*metricdata.ResourceMetrics) // after each collection
	log       *slog.Logger
	since     atomic.Pointer[time.Time] // when the Collect in progress began
	semaphore chan struct{}             // one Collect at a time
	rm        metricdata.ResourceMetrics
	lastErr   string
}

const (
	pace         = time.Second             // from one Collect to the next
	collectShare = 50                      // collecting takes at most 1/50 of the time, however many series
	maxPause     = evidence.StaleAfter / 3 // between two of them all the same: rules must not go blind
)

// New makes a collector of no samplers, not yet running. done is called after
// each collection, by the goroutine that collects.
func New(source Source, seen *Registry, log *slog.Logger, done func(*metricdata.ResourceMetrics)) *Collector {
	return &Collector{source: source, registry: seen, log: log, done: done, semaphore: make(chan struct{}, 1)}
}

// Add has a sampler read each collection from now on, until it is removed. Any
// goroutine may call it.
func (c *Collector) Add(s *evidence.Sampler) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samplers = append(slices.Clone(c.samplers), s)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.samplers = slices.DeleteFunc(slices.Clone(c.samplers), func(o *evidence.Sampler) bool { return o == s })
	}
}

// all are the samplers of now.
func (c *Collector) all() []*evidence.Sampler {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.samplers
}

// Metric is what the last collection holds under a name. Call it before loop.
func (c *Collector) Metric(name string) []metricdata.Metrics { return evidence.NewCatalog(&c.rm)[name] }

// Loop collects until ctx is done.
func (c *Collector) Loop(ctx context.Context) {
	for {
		began := time.Now()
		_ = c.Collect(ctx) // was logged; the readings grow stale
		took := time.Since(began)
		wait := time.NewTimer(min(max(pace, collectShare*took), maxPause) - min(took, pace))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// Collect takes one sample for every rule. It returns an error if there is nothing
// to sample.
func (c *Collector) Collect(ctx context.Context) error {
	select { // the other may hang
	case c.semaphore <- struct{}{}:
		defer func() { <-c.semaphore }()
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	c.since.Store(&began)
	err := c.fill(ctx)
	c.since.Store(nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text := ""
	if err != nil {
		// Not its text, which somebody's callback wrote: it may hold a password.
		if text = guard.Kinds(err); text != c.lastErr {
			c.log.Warn("collecting metrics returned an error", "error.type", text)
		}
	}
	c.lastErr = text
	if err != nil && len(c.rm.ScopeMetrics) == 0 {
		return err // no sample: silence is not a measurement
	}
	at := time.Now()
	metrics := evidence.NewCatalog(&c.rm)
	for _, s := range c.all() {
		s.Found(metrics, c.registry.note)
		s.Sample(at, metrics)
	}
	c.done(&c.rm)
	return nil // an error of some callback left out what it would have observed
}

// fill collects. A panic of somebody's callback is their error, not our end.
func (c *Collector) fill(ctx context.Context) error {
	c.rm.ScopeMetrics = c.rm.ScopeMetrics[:0] // what is not filled in now must not pass for new
	returned := false
	err := guard.Call(ctx, func(ctx context.Context) error {
		err := c.source.Collect(ctx, &c.rm)
		returned = true
		return err
	})
	if !returned {
		c.rm.ScopeMetrics = nil
	}
	return err
}

// Running is how long the Collect in progress has taken. A nil Collector collects nothing.
func (c *Collector) Running(now time.Time) time.Duration {
	if c == nil {
		return 0
	}
	if since := c.since.Load(); since != nil {
		return now.Sub(*since)
	}
	return 0
}
