package healthcheck

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
)

// A Queue exports the length and capacity of a queue and the waiting time of its items:
// queue.length, queue.capacity and queue.wait.duration, all with the attribute queue.name. A nil
// Queue does nothing.
type Queue struct {
	name     string
	capacity int
	length   func() int
	wait     atomic.Pointer[metric.Float64Histogram] // since Start
	attrs    metric.MeasurementOption

	mu     sync.Mutex
	end    func() // of the export; nil before it
	closed bool
}

// Queue exports a queue. Every collection calls length, from any goroutine, so length must not
// block. For a channel it is func() int { return len(c) }. A capacity of 0 is not exported. An
// empty name, a used name, a negative capacity and a nil length are errors of Start. After Start
// they are logged, and nothing is exported. Waiting times from before Start are not recorded.
func (m *Monitor) Queue(name string, capacity int, length func() int) *Queue {
	q := &Queue{name: name, capacity: capacity, length: length, attrs: metric.WithAttributes(conventions.Queue.String(name))}
	m.mu.Lock()
	problem := q.problem()
	if slices.ContainsFunc(m.queues, func(o *Queue) bool { return o.name == name }) {
		problem = "the name is used twice"
	}
	var r *running
	if problem == "" {
		m.queues = append(m.queues, q)
		r = m.running
	}
	m.mu.Unlock()
	if problem != "" {
		m.reportMistake(&cfgerrors.Error{Item: fmt.Sprintf("%.80q", name), Field: "Queue", Problem: problem})
	} else if r != nil {
		if err := q.export(r.pipeline.MeterProvider); err != nil {
			m.reportMistake(err)
		}
	}
	return q
}

func (q *Queue) problem() string {
	switch p := badName(q.name); {
	case p != "":
		return "the name " + p
	case q.capacity < 0:
		return fmt.Sprintf("the capacity %d is negative", q.capacity)
	case q.length == nil:
		return "length is nil"
	}
	return ""
}

// export creates the instruments, once.
func (q *Queue) export(mp metric.MeterProvider) error {
	m := export.Builder{Meter: mp.Meter(conventions.Scope)}
	items := m.UpDown("queue.length", "{item}", "Items in a queue.")
	room := m.UpDown("queue.capacity", "{item}", "Items that a queue can hold.")
	wait := m.Histogram("queue.wait.duration", "s", "Time that an item spent in a queue.", conventions.Seconds)
	if m.Err != nil {
		return m.Err
	}
	set := metric.WithAttributes(conventions.Queue.String(q.name))
	// Every queue has its own registration. If the callback belonged to the instrument, the SDK
	// would drop it for the second queue of a process.
	reg, err := m.Meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		defer func() { _ = recover() }()
		if q.capacity > 0 {
			o.ObserveInt64(room, int64(q.capacity), set)
		}
		o.ObserveInt64(items, int64(q.length()), set)
		return nil
	}, items, room)
	if err != nil {
		return err
	}
	end := func() { _ = reg.Unregister() }
	q.mu.Lock()
	before, closed := q.end, q.closed
	q.end = end
	q.mu.Unlock()
	if closed {
		end()
	}
	if before != nil {
		before() // of another Start
	}
	q.wait.Store(&wait)
	return nil
}

// Waited records how long one item was in the queue.
func (q *Queue) Waited(ctx context.Context, d time.Duration) {
	if q == nil {
		return
	}
	if wait := q.wait.Load(); wait != nil {
		(*wait).Record(ctx, d.Seconds(), q.attrs)
	}
}

// unexport undoes the export of a failed Start.
func (q *Queue) unexport() {
	q.mu.Lock()
	end := q.end
	q.end = nil
	q.mu.Unlock()
	q.wait.Store(nil)
	if end != nil {
		end()
	}
}

// exported reports whether a Start has exported the queue.
func (q *Queue) exported() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.end != nil
}

// Close stops exporting the queue's length and capacity. Its name can't be used again.
func (q *Queue) Close() {
	if q == nil {
		return
	}
	q.mu.Lock()
	end := q.end
	q.closed = true
	q.mu.Unlock()
	if end != nil {
		end()
	}
}
