// Package memory is what lasts from one judgement to the next: hysteresis (For, KeepFor),
// ejection with its delay and probation, the usual traffic, and since when the process has
// run without a suspension.
//
// In: what was seen at an [Instant]. Out: the state it amounts to, and why. The goroutine that
// judges owns all of it; there is no lock and no clock: time comes with the call. It reads no
// evidence and knows no probe.
package memory

import "time"

// Suspension is the gap between judgements from which the process counts as
// suspended (SIGSTOP, a frozen cgroup, a sleeping laptop).
const Suspension = 3 * time.Second

// An Instant is the time of a judgement. Ages are counted on the monotonic clock and
// only while the process ran: evidence can't arrive in a suspended one.
type Instant struct {
	Now     time.Time
	Resumed time.Time // since when judgements have come without a gap
}

// Since is the age of t, less the time in which the process was suspended.
func (i Instant) Since(t time.Time) time.Duration {
	if t.Before(i.Resumed) {
		t = i.Resumed
	}
	return i.Now.Sub(t)
}
