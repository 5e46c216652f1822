package healthcheck

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/otelhealth/otelhealth/healthcheck/internal/attr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/internal/bucket"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
)

// A Queue exports the length and capacity of a queue and how long items wait in
// it: queue.length, queue.capacity and queue.wait.duration.
type Queue struct {
	wait         metric.Float64Histogram
	attrs        []metric.RecordOption
	registration metric.Registration
}

// NewQueue exports a queue of the given name. length is called at each
// collection, from any goroutine; it must not block. For a channel it is
// func() int { return len(c) }. A capacity of 0 is not exported. A nil provider
// is the global one.
func NewQueue(mp metric.MeterProvider, name string, capacity int, length func() int) (*Queue, error) {
	switch {
	case name == "":
		return nil, fmt.Errorf("NewQueue: name is empty")
	case !utf8.ValidString(name): // OTLP is UTF-8: not one metric would be exported
		return nil, fmt.Errorf("NewQueue %q: name is no UTF-8", name)
	case capacity < 0:
		return nil, fmt.Errorf("NewQueue %q: capacity %d is negative", name, capacity)
	case length == nil:
		return nil, fmt.Errorf("NewQueue %q: length is nil", name)
	}
	if mp == nil {
		mp = otel.GetMeterProvider()
	}
	m := export.Maker{Meter: mp.Meter(attr.Scope)}
	items := m.UpDown("queue.length", "{item}", "Items in a queue.")
	room := m.UpDown("queue.capacity", "{item}", "Items that a queue can hold.")
	wait := m.Histogram("queue.wait.duration", "s", "Time that an item spent in a queue.", bucket.Seconds)
	if m.Err != nil {
		return nil, m.Err
	}
	set := metric.WithAttributes(attr.Queue.String(name))
	// One registration per queue: a callback given to the instrument itself would
	// be dropped for the second queue of a process.
	reg, err := m.Meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		defer func() { _ = recover() }()
		if capacity > 0 {
			o.ObserveInt64(room, int64(capacity), set)
		}
		o.ObserveInt64(items, int64(length()), set)
		return nil
	}, items, room)
	if err != nil {
		return nil, err
	}
	return &Queue{wait: wait, attrs: []metric.RecordOption{set}, registration: reg}, nil
}

// Waited records how long one item was in the queue.
func (q *Queue) Waited(ctx context.Context, d time.Duration) {
	q.wait.Record(ctx, d.Seconds(), q.attrs...)
}

// Close stops exporting the queue's length.
func (q *Queue) Close() error { return q.registration.Unregister() }
