// Package memory keeps state from one judgement to the next: hysteresis (For, KeepFor), ejections
// with their delay and probation, and the usual traffic. Time in which the process was suspended does not
// count.
//
// In: the observed state at an [Instant]. Out: the resulting state, and why. The judging goroutine
// owns all of it. There is no lock and no clock, because the caller passes the time. It reads no
// evidence and knows no probe.
package memory

import "time"

// Suspension is the shortest gap between judgements that counts as a suspension of the process
// (SIGSTOP, a frozen cgroup, a sleeping laptop).
const Suspension = 3 * time.Second

// An Instant is the time of a judgement. Ages are counted on the monotonic clock and only while the
// process runs, because a suspended process gets no evidence.
type Instant struct {
	Now     time.Time
	Resumed time.Time // start of the judgements without a gap
}

// Since returns the age of t, less the time in which the process was suspended.
func (i Instant) Since(t time.Time) time.Duration {
	if t.Before(i.Resumed) {
		t = i.Resumed
	}
	return i.Now.Sub(t)
}
