// Package collect collects from a source, on its own goroutine, and passes every collection to the
// samplers of evidence. It knows which instruments exist.
//
// In: a [Source], which may block for ever or panic, or [Snapshots]. Out: samples, and
// [Collector.Running], which never waits. It holds no lock while the source collects. It does not judge.
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

// Source is the source of collections.
type Source interface {
	Collect(context.Context, *metricdata.ResourceMetrics) error
}

// Snapshots is an optional interface of a Source whose collections are shared with exporters. So the
// Monitor judges exactly the exported data, and callbacks run only once.
type Snapshots interface {
	// Snapshot returns a collection that has begun after the call and is not changed any more. The source
	// itself logs the errors of its callbacks.
	Snapshot(context.Context) (*metricdata.ResourceMetrics, error)
}

// A Collector samples a source. Collect can hang for ever in a foreign callback, so it has its own
// goroutine, and the judge only reads how long the collection in progress has taken.
type Collector struct {
	source    Source
	mu        sync.Mutex // guards samplers; never held while the source is asked
	samplers  []*evidence.Sampler
	registry  *Registry
	done      func(*metricdata.ResourceMetrics) // after each collection
	log       *slog.Logger
	since     atomic.Pointer[time.Time]   // when the Collect in progress began
	semaphore chan struct{}               // one Collect at a time
	rm        *metricdata.ResourceMetrics // the last collection; of Snapshots, or memory for the next one
	lastErr   string
}

const (
	pace         = time.Second             // from one Collect to the next
	collectShare = 50                      // collecting may take 1/50 of the time at most, for any number of series
	maxPause     = evidence.StaleAfter / 3 // longest pause between two, so that readings do not grow stale
)

// New makes a collector without samplers that does not run yet. The collecting goroutine calls done
// after every collection.
func New(source Source, seen *Registry, log *slog.Logger, done func(*metricdata.ResourceMetrics)) *Collector {
	return &Collector{source: source, registry: seen, log: log, done: done, semaphore: make(chan struct{}, 1), rm: &metricdata.ResourceMetrics{}}
}

// Add passes every later collection to a sampler, until remove is called. Any goroutine may call
// it.
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

// all returns the present samplers.
func (c *Collector) all() []*evidence.Sampler {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.samplers
}

// Last calls f with the metrics of a name in the last collection. It waits for a collection in progress: if
// Start was slow, Loop runs already.
func (c *Collector) Last(name string, f func([]evidence.Metric)) {
	c.semaphore <- struct{}{}
	defer func() { <-c.semaphore }()
	f(evidence.NewCatalog(c.rm)[name])
}

// Loop collects until ctx is done.
func (c *Collector) Loop(ctx context.Context) {
	for {
		began := time.Now()
		_ = c.Collect(ctx) // an error was logged, and the readings grow stale
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
	select { // another Collect may hang
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
		// Log the types and not the text, because a foreign callback wrote it and it may contain a
		// password.
		if text = guard.Kinds(err); text != c.lastErr {
			c.log.Warn("collecting metrics returned an error", "error.type", text)
		}
	}
	c.lastErr = text
	if err != nil && len(c.rm.ScopeMetrics) == 0 {
		return err // an empty collection is no sample
	}
	at := time.Now()
	metrics := evidence.NewCatalog(c.rm)
	for _, s := range c.all() {
		s.Found(metrics, c.registry.note)
		s.Sample(at, metrics)
	}
	c.done(c.rm)
	return nil // after an error, only the observations of the failed callback are missing
}

// fill collects. If a foreign callback panics or ends its goroutine, that is an error.
func (c *Collector) fill(ctx context.Context) error {
	if shared, ok := c.source.(Snapshots); ok {
		c.rm = &metricdata.ResourceMetrics{}
		return <-guard.Start(ctx, func(ctx context.Context) error {
			rm, err := shared.Snapshot(ctx)
			if rm != nil {
				c.rm = rm
			}
			return err
		}, nil)
	}
	c.rm.ScopeMetrics = c.rm.ScopeMetrics[:0] // old data must not look like new data
	answered := false
	err := <-guard.Start(ctx, func(ctx context.Context) error {
		err := c.source.Collect(ctx, c.rm)
		answered = true
		return err
	}, nil)
	if !answered {
		c.rm.ScopeMetrics = nil
	}
	return err
}

// Running returns how long the Collect in progress has taken. A nil Collector collects nothing.
func (c *Collector) Running(now time.Time) time.Duration {
	if c == nil {
		return 0
	}
	if since := c.since.Load(); since != nil {
		return now.Sub(*since)
	}
	return 0
}
