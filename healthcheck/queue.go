package healthcheck

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/export"
	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
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
	end    func()   // of the export; nil before it
	by     *running // that has exported it
	closed bool

	site  guard.Site             // of length
	fault atomic.Pointer[string] // the last one
}

// Queue exports a queue. For a channel, length is func() int { return len(c) }. Every collection calls
// length, from any goroutine, so it must not block. If it panics or takes longer than 100 ms, the
// collection goes on without it, and the log says so. A capacity of 0 is not exported. An empty name, a
// name that is used already, a negative capacity and a nil length are errors of Start. After Start they
// are logged, and the queue is not exported. Waiting times from before Start are not recorded.
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
		m.exportLater(r)
	}
	return q
}

// exportLater exports the queues that were made since Start. It waits for that for startPatience at most,
// because the MeterProvider can hang in a foreign callback.
func (m *Monitor) exportLater(r *running) {
	done := guard.Start(r.ctx, func(ctx context.Context) error {
		select {
		case <-r.connected: // until then the provider may hang
			return m.exportQueues(r)
		case <-ctx.Done():
			return nil
		}
	}, nil)
	limit := time.NewTimer(startPatience)
	defer limit.Stop()
	select {
	case err := <-done:
		if err != nil {
			m.reportMistake(err)
		}
	case <-limit.C: // the queue is exported when the provider answers
	case <-m.stopping:
	}
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
func (q *Queue) export(r *running) error {
	m := export.Builder{Meter: r.pipeline.MeterProvider.Meter(conventions.Scope)}
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
		_ = guard.Inline(func() { // a filter of a user's view may panic; an error would drop a whole export
			if q.capacity > 0 {
				o.ObserveInt64(room, int64(q.capacity), set)
			}
			if n, known := q.ask(r.log); known {
				o.ObserveInt64(items, int64(n), set)
			}
		})
		return nil
	}, items, room)
	if err != nil {
		return err
	}
	end := func() { _ = guard.Inline(func() { _ = reg.Unregister() }) }
	q.mu.Lock()
	before, closed := q.end, q.closed || r.abandoned.Load()
	if closed {
		before = end
	} else {
		q.end, q.by = end, r
		q.wait.Store(&wait)
	}
	q.mu.Unlock()
	if before != nil {
		before() // of another Start
	}
	return nil
}

// ask returns the present length; known is false if the function panics or does not return in time. The
// first of several equal faults is logged.
func (q *Queue) ask(log *guard.Writer) (n int, known bool) {
	n, err := guard.Ask(&q.site, q.length)
	if err == nil {
		q.fault.Store(nil)
		return n, true
	}
	text := err.Error()
	if last := q.fault.Swap(&text); last == nil || *last != text {
		log.Write(context.Background(), slog.LevelWarn, "the length of a queue is not known, because of its function",
			slog.String(string(conventions.Queue), q.name), slog.String("function", guard.NameOf(q.length)), slog.String("error", text))
	}
	return 0, false
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
func (q *Queue) unexport(r *running) {
	q.mu.Lock()
	end := q.end
	if q.by != r {
		q.mu.Unlock()
		return
	}
	q.end, q.by = nil, nil
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
