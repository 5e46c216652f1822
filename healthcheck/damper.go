package healthcheck

import "time"

// damper turns what a rule sees at each moment into the state that it is in: a
// crossing counts once it has lasted For, and goes on counting until there was
// none for KeepFor.
type damper struct {
	wait, keep time.Duration
	warn, fail latch
}

// latch is one severity's memory.
type latch struct {
	on    bool
	since time.Time // when what is seen began to differ from on; zero while it does not
}

func newDamper(wait, keep time.Duration) damper { return damper{wait: wait, keep: keep} }

// forget begins anew.
func (d *damper) forget() { *d = newDamper(d.wait, d.keep) }

func (d *damper) next(seen State, at moment) State {
	warn := d.warn.next(seen == Warn || seen == Fail, at, d.wait, d.keep)
	fail := d.fail.next(seen == Fail, at, d.wait, d.keep)
	switch {
	case fail:
		return Fail
	case warn:
		return Warn
	}
	return Pass
}

func (l *latch) next(seen bool, at moment, wait, keep time.Duration) bool {
	if seen == l.on {
		l.since = time.Time{}
		return l.on
	}
	if l.since.IsZero() {
		l.since = at.now
	}
	need := wait
	if l.on {
		need = keep
	}
	if at.since(l.since) >= need {
		l.on, l.since = seen, time.Time{}
	}
	return l.on
}
