package healthcheck

import (
	"cmp"
	"sync/atomic"
	"time"
)

// A Heartbeat tells a worker that is busy from one that is stuck. It is a vital
// check: once work has been active for the stall time without a beat, liveness
// fails and the process is restarted. Idle workers need not beat.
//
// Several goroutines may share one; then a beat of any counts for all. Its
// methods are safe for concurrent use and do not allocate.
type Heartbeat struct {
	name   string
	stall  time.Duration
	born   time.Time
	beats  atomic.Int64
	active atomic.Int64
	last   atomic.Int64 // nanoseconds after born, of the last beat
}

// Heartbeat adds a vital check of the given name. stall is 60s if zero; choose
// it well over the longest time between two beats of healthy work. Call it
// before [Monitor.Start], which reports a name that is used twice.
func (m *Monitor) Heartbeat(name string, stall time.Duration) *Heartbeat {
	h := &Heartbeat{name: name, stall: cmp.Or(stall, time.Minute), born: time.Now()}
	m.heartbeats = append(m.heartbeats, h)
	return h
}

// Busy says that a piece of work begins. It counts as a beat.
func (h *Heartbeat) Busy() {
	h.Beat() // first: the work must not look as old as the last beat
	h.active.Add(1)
}

// Beat says that work goes on.
func (h *Heartbeat) Beat() {
	h.last.Store(int64(time.Since(h.born)))
	h.beats.Add(1)
}

// Idle says that a piece of work has ended.
func (h *Heartbeat) Idle() {
	h.Beat()
	h.active.Add(-1)
}

// since is since when there was no beat, and how much work is under way.
func (h *Heartbeat) since() (last time.Time, active int64) {
	return h.born.Add(time.Duration(h.last.Load())), h.active.Load()
}
