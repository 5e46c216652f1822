package healthcheck

import "time"

// suspension is the gap between judgements from which the process is taken to
// have been suspended (SIGSTOP, a frozen cgroup, a sleeping laptop).
const suspension = 3 * time.Second

// moment is the time of a judgement. Ages are counted on the monotonic clock and
// only while the process was awake: evidence can't arrive in a suspended one.
type moment struct {
	now   time.Time
	awake time.Time // since when judgements have come without a gap
}

func (m moment) since(t time.Time) time.Duration {
	if t.Before(m.awake) {
		t = m.awake
	}
	return m.now.Sub(t)
}
