package memory

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// damper turns what a rule sees at each moment into the state that it is in: a
// crossing counts once it has lasted For, and goes on counting until there was
// none for KeepFor.
type Hysteresis struct {
	wait, keep time.Duration
	warn, fail latch
}

// latch is one severity's memory.
type latch struct {
	on    bool
	since time.Time // when what is seen began to differ from on; zero while it does not
}

func NewHysteresis(wait, keep time.Duration) Hysteresis { return Hysteresis{wait: wait, keep: keep} }

// forget begins anew.
func (d *Hysteresis) Forget() { *d = NewHysteresis(d.wait, d.keep) }

func (d *Hysteresis) Next(seen verdict.State, at Moment) verdict.State {
	warn := d.warn.next(seen == verdict.Warn || seen == verdict.Fail, at, d.wait, d.keep)
	fail := d.fail.next(seen == verdict.Fail, at, d.wait, d.keep)
	switch {
	case fail:
		return verdict.Fail
	case warn:
		return verdict.Warn
	}
	return verdict.Pass
}

func (l *latch) next(seen bool, at Moment, wait, keep time.Duration) bool {
	if seen == l.on {
		l.since = time.Time{}
		return l.on
	}
	if l.since.IsZero() {
		l.since = at.Now
	}
	need := wait
	if l.on {
		need = keep
	}
	if at.Since(l.since) >= need {
		l.on, l.since = seen, time.Time{}
	}
	return l.on
}
