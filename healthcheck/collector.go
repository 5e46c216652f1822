package healthcheck

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Source is where rules read metrics. Any cumulative [sdkmetric.Reader] is one:
// the Prometheus exporter that is there already, or a ManualReader.
type Source interface {
	Collect(context.Context, *metricdata.ResourceMetrics) error
}

// collector samples the source. Collect can hang for ever in somebody's
// callback, so it has a goroutine to itself and the judge only looks at how long
// it has been away.
type collector struct {
	source   Source
	samplers []*sampler
	done     func(*metricdata.ResourceMetrics) // after each collection
	log      *slog.Logger
	since    atomic.Pointer[time.Time] // when the Collect in progress began
	mu       sync.Mutex                // one Collect at a time
	rm       metricdata.ResourceMetrics
	lastErr  string
}

// collectShare keeps collecting under 1/50 of the time, however many series.
const collectShare = 50

func (c *collector) loop(ctx context.Context) {
	for {
		began := time.Now()
		c.collect(ctx)
		wait := time.NewTimer(max(tick, collectShare*time.Since(began)) - time.Since(began))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// collect takes one sample for every rule.
func (c *collector) collect(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := time.Now()
	c.since.Store(&began)
	err := c.fill(ctx)
	c.since.Store(nil)
	if ctx.Err() != nil {
		return
	}
	if err != nil && err.Error() != c.lastErr { // what could be collected is there all the same
		c.log.Warn("collecting metrics returned an error", "error", err)
		c.lastErr = err.Error()
	}
	at := time.Now()
	metrics := newCatalog(&c.rm)
	for _, s := range c.samplers {
		s.sample(at, metrics)
	}
	c.done(&c.rm)
}

// fill collects. A panic of somebody's callback is their error, not our end.
func (c *collector) fill(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.rm = metricdata.ResourceMetrics{}
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.source.Collect(ctx, &c.rm)
}

// running is how long the Collect in progress has taken.
func (c *collector) running(now time.Time) time.Duration {
	if since := c.since.Load(); since != nil {
		return now.Sub(*since)
	}
	return 0
}
