package healthcheck

import (
	"cmp"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
)

// A Heartbeat tells a worker that is busy from one that is stuck. Once work is under way for
// the stall time without a beat, liveness fails and the kubelet restarts the process. Workers
// without work need not beat.
//
// Several goroutines may share one; then a beat of any counts for all. Its
// methods are safe for concurrent use and do not allocate. A nil one does nothing.
type Heartbeat struct {
	name   string
	stall  time.Duration
	born   time.Time
	beats  atomic.Int64
	active atomic.Int64
	last   atomic.Int64 // nanoseconds after born, of the last beat
	users  atomic.Int64 // calls of Heartbeat, less those of Close
	remove func()
}

// defaultStall is the stall time of a heartbeat.
const defaultStall = time.Minute

// Heartbeat is the heartbeat of a worker: a new one, or the one that has the name already. The
// stall time is 60s if zero; choose it well over the longest time between two beats of healthy
// work. A name that is taken or no name, and a negative stall time, are errors of Start. After Start they are
// logged, and the heartbeat is not judged.
func (m *Monitor) Heartbeat(name string, stall time.Duration) *Heartbeat {
	stall = cmp.Or(stall, defaultStall)
	if h := m.heartbeatOf(name, stall); h != nil {
		return h
	}
	h := &Heartbeat{name: name, stall: stall, born: time.Now()}
	h.users.Store(1)
	e := &entry{name: name, beat: h}
	h.remove = func() {
		m.remove(e)
		m.observeBeats()
	}
	if _, err := m.enter(e, "Heartbeat"); err != nil {
		if other := m.heartbeatOf(name, stall); other != nil { // made meanwhile
			return other
		}
		h.remove = func() {}
		m.tellMistake(err)
		return h
	}
	m.observeBeats()
	m.askJudge()
	return h
}

// heartbeatOf is the heartbeat of a name, for one user more; nil if there is none. Another stall
// time is a mistake, because only one can count.
func (m *Monitor) heartbeatOf(name string, stall time.Duration) *Heartbeat {
	h := m.findHeartbeat(name)
	if h == nil {
		return nil
	}
	h.users.Add(1)
	if h.stall != stall {
		m.tellMistake(&cfgerrors.Error{Item: name, Field: "Heartbeat", Problem: fmt.Sprintf("the stall time is %v and %v: two callers differ", h.stall, stall)})
	}
	return h
}

func (m *Monitor) findHeartbeat(name string) *Heartbeat {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.beat != nil && e.name == name {
			return e.beat
		}
	}
	return nil
}

// tellMistake has Start return a mistake, or logs it if the Monitor runs.
func (m *Monitor) tellMistake(err error) {
	m.mu.Lock()
	r := m.running
	if r == nil {
		m.mistakes = append(m.mistakes, err)
	}
	m.mu.Unlock()
	if r != nil {
		r.pipeline.Logger.Error("healthcheck: "+err.Error(), "error", err)
	}
}

// observeBeats gives the callback the heartbeats of now.
func (m *Monitor) observeBeats() {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []*Heartbeat{}
	for _, e := range m.entries {
		if e.beat != nil {
			all = append(all, e.beat)
		}
	}
	m.beats.Store(&all)
}

// Begin says that a piece of work begins. It counts as a beat.
func (h *Heartbeat) Begin() {
	if h == nil {
		return
	}
	h.Beat() // first: the work must not look as old as the last beat
	h.active.Add(1)
}

// Beat says that work goes on.
func (h *Heartbeat) Beat() {
	if h == nil {
		return
	}
	h.last.Store(int64(time.Since(h.born)))
	h.beats.Add(1)
}

// End says that a piece of work has ended. It counts as a beat.
func (h *Heartbeat) End() {
	if h == nil {
		return
	}
	h.Beat()
	for { // one too many must not hide the next piece of work
		n := h.active.Load()
		if n <= 0 || h.active.CompareAndSwap(n, n-1) {
			return
		}
	}
}

// Close gives the heartbeat up. Once each caller of [Monitor.Heartbeat] has, it is judged and
// exported no more.
func (h *Heartbeat) Close() {
	if h != nil && h.remove != nil && h.users.Add(-1) == 0 {
		h.remove()
	}
}

// since is since when there was no beat, and how much work is under way.
func (h *Heartbeat) since() (last time.Time, active int64) {
	return h.born.Add(time.Duration(h.last.Load())), h.active.Load()
}
