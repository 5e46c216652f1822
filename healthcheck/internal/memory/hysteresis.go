package memory

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Hysteresis turns the observed states of a rule into its state. A crossing counts after it has lasted for
// For. It counts until there has been no crossing for KeepFor.
type Hysteresis struct {
	wait, keep time.Duration
	warn, fail level
}

// A level is one severity's memory.
type level struct {
	on    bool
	since time.Time // when the observation began to differ from on; zero while it does not
}

// NewHysteresis makes the memory of a rule: wait is its For, keep its KeepFor.
func NewHysteresis(wait, keep time.Duration) Hysteresis { return Hysteresis{wait: wait, keep: keep} }

// Forget resets the memory.
func (h *Hysteresis) Forget() { *h = NewHysteresis(h.wait, h.keep) }

// Next returns the state after an observation.
func (h *Hysteresis) Next(seen verdict.State, at Instant) verdict.State {
	warn := h.warn.next(seen == verdict.Warn || seen == verdict.Fail, at, h.wait, h.keep)
	fail := h.fail.next(seen == verdict.Fail, at, h.wait, h.keep)
	switch {
	case fail:
		return verdict.Fail
	case warn:
		return verdict.Warn
	}
	return verdict.Pass
}

// Gap notes an instant without evidence. It restarts For, because the crossing may have ended. For KeepFor it
// counts as an instant without a crossing.
func (h *Hysteresis) Gap(at Instant) {
	h.warn.gap(at)
	h.fail.gap(at)
}

func (l *level) gap(at Instant) {
	switch {
	case !l.on:
		l.since = time.Time{}
	case l.since.IsZero():
		l.since = at.Now
	}
}

func (l *level) next(seen bool, at Instant, wait, keep time.Duration) bool {
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
