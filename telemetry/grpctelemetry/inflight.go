package grpctelemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// call is all that we know of one call, and a context, in one allocation. It is in the list of its
// handler until it ends.
type call struct {
	context.Context
	method         string
	connection     *connection // if recorded
	hidden         bool        // the metadata is hidden from the first caller, otelgrpc
	recorded       bool        // by its span
	start          time.Time
	older, younger *call
	open           bool
}

type callKey struct{}

// Value returns the call itself for its key.
func (c *call) Value(key any) any {
	switch {
	case key == (callKey{}):
		return c
	case c.hidden && key == incomingKey:
		c.hidden = false // samplers and span processors see it
		return nil
	}
	return c.Context.Value(key)
}

// callOf returns the call of a context; nil if we don't measure it, such as a health call.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// inFlight is a list of the calls that have not ended, oldest first.
type inFlight struct {
	mu             sync.Mutex
	oldest, newest *call
	n              int64
	begun          bool // the series begins with the first call
}

func (f *inFlight) register(meter metric.Meter) error {
	grpc := metric.WithAttributes(semconv.RPCSystemNameGRPC)
	_, err := meter.Int64ObservableUpDownCounter("rpc.server.active_calls", metric.WithUnit("{call}"),
		metric.WithDescription("Calls that have not ended, without those of grpc.health.v1."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			if n, begun := f.count(); begun {
				o.Observe(n, grpc)
			}
			return nil
		}))
	if err != nil {
		return err
	}
	_, err = meter.Float64ObservableGauge("rpc.server.oldest_call.age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest call that has not ended; 0 if there is none."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(f.age().Seconds(), grpc)
			return nil
		}))
	return err
}

func (f *inFlight) count() (n int64, begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n, f.begun
}

func (f *inFlight) age() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.oldest == nil {
		return 0
	}
	return time.Since(f.oldest.start)
}

func (f *inFlight) enter(c *call, start time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n, f.begun = f.n+1, true
	c.start, c.open, c.older = start, true, f.newest
	if f.newest != nil {
		f.newest.younger = c
	} else {
		f.oldest = c
	}
	f.newest = c
}

func (f *inFlight) leave(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.open {
		return
	}
	c.open = false
	f.n--
	if c.older != nil {
		c.older.younger = c.younger
	} else {
		f.oldest = c.younger
	}
	if c.younger != nil {
		c.younger.older = c.older
	} else {
		f.newest = c.older
	}
	c.older, c.younger = nil, nil // a handler may keep the context, and it must not keep other calls
}
