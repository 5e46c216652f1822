// Package memory is what lasts from one judgement to the next: hysteresis (For, KeepFor),
// ejection with its notice and probation, the usual traffic, and how long the process has
// been awake.
//
// In: what was seen at a [Moment]. Out: the state it amounts to, and why. The goroutine that
// judges owns all of it; there is no lock and no clock: time comes with the call. It reads no
// evidence and knows no probe.
package memory

import "time"

// suspension is the gap between judgements from which the process is taken to
// have been suspended (SIGSTOP, a frozen cgroup, a sleeping laptop).
const Suspension = 3 * time.Second

// moment is the time of a judgement. Ages are counted on the monotonic clock and
// only while the process was awake: evidence can't arrive in a suspended one.
type Moment struct {
	Now   time.Time
	Awake time.Time // since when judgements have come without a gap
}

func (m Moment) Since(t time.Time) time.Duration {
	if t.Before(m.Awake) {
		t = m.Awake
	}
	return m.Now.Sub(t)
}
