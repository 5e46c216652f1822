package healthcheck

import (
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
)

// Hold keeps the process starting until release is called: /startup and /ready
// answer 503. Take one for each part of initialisation that must end first. Once
// startup has passed, a new hold affects readiness only. Release may be called
// more than once, from any goroutine.
func (m *Monitor) Hold(name string) (release func()) {
	return m.kicking(m.life.Hold(name))
}

// Maintain takes the instance out of traffic until a time at most 24 hours
// ahead: /ready answers 503 with Retry-After, /health stays 200. It ends by
// itself, or when lift is called. Several windows may be open; the last to end
// decides.
func (m *Monitor) Maintain(reason string, until time.Time) (lift func(), err error) {
	w, err := lifecycle.NewMaintenance(reason, until)
	if err != nil {
		return nil, err
	}
	return m.open(w), nil
}

// open begins a window of maintenance.
func (m *Monitor) open(w *lifecycle.Maintenance) (lift func()) { return m.kicking(m.life.Open(w)) }

// Drain takes the instance out of traffic for good: it is about to end. The end
// of the context given to [Monitor.Start] does the same.
func (m *Monitor) Drain() {
	m.life.Drain()
	m.kickJudge()
}

// kicking has what was done, and what undoes it, judged at once.
func (m *Monitor) kicking(undo func()) func() {
	m.kickJudge()
	return func() {
		undo()
		m.kickJudge()
	}
}
