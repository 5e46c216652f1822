package healthcheck

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// lifecycle is what people and the process itself have asked for. The judge reads
// a phase of it and never waits for anything here.
type lifecycle struct {
	mu       sync.Mutex
	draining bool
	holds    []*string
	windows  []*maintenance // open ones
}

type maintenance struct {
	reason string
	until  time.Time
}

// phase is the lifecycle at one moment.
type phase struct {
	is      Lifecycle
	holds   []string
	reasons []string
	until   time.Time // the latest end of maintenance
}

// maxMaintenance bounds how long a forgotten window can keep an instance out.
const maxMaintenance = 24 * time.Hour

// Hold keeps the process starting until release is called: /startup and /ready
// answer 503. Take one for each part of initialisation that must end first. Once
// startup has passed, a new hold affects readiness only. Release may be called
// more than once, from any goroutine.
func (m *Monitor) Hold(name string) (release func()) {
	l := &m.life
	l.mu.Lock()
	h := &name
	l.holds = append(l.holds, h)
	l.mu.Unlock()
	m.kickJudge()
	return func() {
		l.mu.Lock()
		l.holds = slices.DeleteFunc(l.holds, func(o *string) bool { return o == h })
		l.mu.Unlock()
		m.kickJudge()
	}
}

// Maintain takes the instance out of traffic until a time at most 24 hours
// ahead: /ready answers 503 with Retry-After, /health stays 200. It ends by
// itself, or when lift is called. Several windows may be open; the last to end
// decides.
func (m *Monitor) Maintain(reason string, until time.Time) (lift func(), err error) {
	w, err := newMaintenance(reason, until)
	if err != nil {
		return nil, err
	}
	return m.open(w), nil
}

func newMaintenance(reason string, until time.Time) (*maintenance, error) {
	now := time.Now()
	left := until.Sub(now)
	switch {
	case strings.TrimSpace(reason) == "":
		return nil, fmt.Errorf("reason: is empty")
	case left <= 0:
		return nil, fmt.Errorf("until: %s is not in the future", until.Format(time.RFC3339))
	case left > maxMaintenance:
		return nil, fmt.Errorf("until: %s is more than %v ahead", until.Format(time.RFC3339), maxMaintenance)
	}
	// From here on the monotonic clock: a step of the wall clock must neither
	// end a window nor prolong it.
	return &maintenance{reason: reason, until: now.Add(left)}, nil
}

// open begins a window of maintenance.
func (m *Monitor) open(w *maintenance) (lift func()) {
	l := &m.life
	l.mu.Lock()
	l.windows = append(l.windows, w)
	l.mu.Unlock()
	m.kickJudge()
	return func() {
		l.mu.Lock()
		l.windows = slices.DeleteFunc(l.windows, func(o *maintenance) bool { return o == w })
		l.mu.Unlock()
		m.kickJudge()
	}
}

// Drain takes the instance out of traffic for good: it is about to end. The end
// of the context given to [Monitor.Start] does the same.
func (m *Monitor) Drain() {
	m.life.mu.Lock()
	m.life.draining = true
	m.life.mu.Unlock()
	m.kickJudge()
}

func (l *lifecycle) phase(now time.Time) (p phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.windows = slices.DeleteFunc(l.windows, func(w *maintenance) bool { return !now.Before(w.until) })
	for _, w := range l.windows {
		p.reasons = append(p.reasons, w.reason)
		if w.until.After(p.until) {
			p.until = w.until
		}
	}
	for _, h := range l.holds {
		p.holds = append(p.holds, *h)
	}
	switch {
	case l.draining:
		p.is = Draining
	case len(l.windows) > 0:
		p.is = Maintenance
	case len(l.holds) > 0:
		p.is = Starting
	default:
		p.is = Running
	}
	return p
}

// reason says why the process gets no traffic.
func (p phase) reason() string {
	switch {
	case p.is == Draining:
		return "draining"
	case p.is == Maintenance:
		return "maintenance: " + strings.Join(p.reasons, "; ")
	case len(p.holds) > 0:
		return "starting: " + strings.Join(p.holds, ", ")
	}
	return "starting"
}
