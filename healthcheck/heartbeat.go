package healthcheck

import (
	"cmp"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
)

// A Heartbeat tells a stuck worker from a busy one. If work is under way without a beat for the
// stall time, liveness fails and the kubelet restarts the process. An idle worker need not beat.
//
// Several goroutines may share a Heartbeat; then a beat of any of them counts for all. Its methods
// are safe for concurrent use and do not allocate. A nil Heartbeat does nothing.
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

// Heartbeat returns the heartbeat of a worker: the existing one of this name, or a new one. The
// stall time is 60s if zero. Choose it well above the longest time between two beats of healthy
// work. An empty name, the name of a check or rule, and a stall time that is negative or differs from
// another caller's are errors of Start. After Start they are logged. Then a heartbeat with a wrong name
// or a negative stall time is not judged, and of two stall times the first one counts.
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
	if _, err := m.register(e, "Heartbeat"); err != nil {
		if other := m.heartbeatOf(name, stall); other != nil { // another goroutine was faster
			return other
		}
		h.remove = func() {}
		m.reportMistake(err)
		return h
	}
	m.observeBeats()
	m.askJudge()
	return h
}

// heartbeatOf returns the heartbeat of a name and counts one more user; nil if there is none. A
// different stall time is a mistake, because only one can count.
func (m *Monitor) heartbeatOf(name string, stall time.Duration) *Heartbeat {
	h := m.findHeartbeat(name)
	if h == nil {
		return nil
	}
	h.users.Add(1)
	if h.stall != stall {
		m.reportMistake(&cfgerrors.Error{Item: name, Field: "Heartbeat", Problem: fmt.Sprintf("the stall time is %v and %v: two callers differ", h.stall, stall)})
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

// reportMistake makes a mistake an error of Start, or logs it if the Monitor runs.
func (m *Monitor) reportMistake(err error) {
	m.mu.Lock()
	r := m.running
	if r == nil {
		m.mistakes = append(m.mistakes, err)
	}
	m.mu.Unlock()
	if r != nil {
		r.logger.Error("healthcheck: "+err.Error(), "error", err.Error())
	}
}

// observeBeats passes the present heartbeats to the callback.
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
	h.Beat() // first, or the work would look as old as the last beat
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
	for { // an additional End must not hide the next piece of work
		n := h.active.Load()
		if n <= 0 || h.active.CompareAndSwap(n, n-1) {
			return
		}
	}
}

// Close ends the use of the heartbeat by one caller of [Monitor.Heartbeat]. Each caller closes it once.
// After the last Close it is no longer judged and exported.
func (h *Heartbeat) Close() {
	if h != nil && h.remove != nil && h.users.Add(-1) == 0 {
		h.remove()
	}
}

// lastBeat returns the time of the last beat, and how many pieces of work are under way.
func (h *Heartbeat) lastBeat() (last time.Time, active int64) {
	return h.born.Add(time.Duration(h.last.Load())), h.active.Load()
}
