// Package lifecycle keeps the requests of people and of the process itself: holds, maintenance, the
// drain.
//
// In: calls from any goroutine, under one lock, held only for a copy. Out: the [Phase] at a time that the
// caller gives. It notifies nobody and judges nothing.
package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
)

// Life keeps the requests of people and of the process itself. The judge reads its phase and never
// waits for anything here. The zero Life is running.
type Life struct {
	mu       sync.Mutex
	draining bool
	holds    []*string
	windows  []*Maintenance // open ones
}

// Maintenance is one maintenance window.
type Maintenance struct {
	reason string
	until  time.Time
	source string // who began it: a file or a call
}

// Phase is the lifecycle at one time.
type Phase struct {
	Current states.Phase
	Holds   []string
	reasons []string
	sources []string
	Until   time.Time // the latest end of maintenance
}

// maxMaintenance limits how long a forgotten window can keep an instance out of traffic.
const maxMaintenance = 24 * time.Hour

// NewMaintenance makes a maintenance window that ends at a time.
func NewMaintenance(reason string, until time.Time) (*Maintenance, error) {
	now := time.Now()
	left := until.Sub(now)
	switch {
	case strings.TrimSpace(reason) == "":
		return nil, fmt.Errorf("reason: is empty")
	case until.IsZero():
		return nil, fmt.Errorf("until: is missing; maintenance must end")
	case left <= 0:
		return nil, fmt.Errorf("until: %s is not in the future", until.Format(time.RFC3339))
	case left > maxMaintenance:
		return nil, fmt.Errorf("until: %s is more than %v ahead", until.Format(time.RFC3339), maxMaintenance)
	}
	// From here on use the monotonic clock, because a step of the wall clock must not end or
	// prolong a window.
	return &Maintenance{reason: reason, until: now.Add(left)}, nil
}

// Hold keeps the phase starting until release is called, once or more often.
func (l *Life) Hold(name string) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &name
	l.holds = append(l.holds, h)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.holds = slices.DeleteFunc(l.holds, func(o *string) bool { return o == h })
	}
}

// Open opens a maintenance window. source says who began it.
func (l *Life) Open(w *Maintenance, source string) (lift func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.source = source
	l.windows = append(l.windows, w)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.windows = slices.DeleteFunc(l.windows, func(o *Maintenance) bool { return o == w })
	}
}

// Drain begins the last phase.
func (l *Life) Drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
}

// Phase returns the phase at a time.
func (l *Life) Phase(now time.Time) (p Phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.windows = slices.DeleteFunc(l.windows, func(w *Maintenance) bool { return !now.Before(w.until) })
	for _, w := range l.windows {
		p.reasons = append(p.reasons, w.reason)
		if !slices.Contains(p.sources, w.source) {
			p.sources = append(p.sources, w.source)
		}
		if w.until.After(p.Until) {
			p.Until = w.until
		}
	}
	for _, h := range l.holds {
		p.Holds = append(p.Holds, *h)
	}
	switch {
	case l.draining:
		p.Current = states.Draining
	case len(l.windows) > 0:
		p.Current = states.Maintenance
	case len(l.holds) > 0:
		p.Current = states.Starting
	default:
		p.Current = states.Running
	}
	return p
}

// Reasons returns why the open maintenance windows were begun.
func (p Phase) Reasons() string { return strings.Join(p.reasons, "; ") }

// Sources returns who began the open maintenance windows.
func (p Phase) Sources() string { return strings.Join(p.sources, " and ") }

// Reason returns why the process gets no traffic.
func (p Phase) Reason() string {
	switch {
	case p.Current == states.Draining:
		return "draining"
	case p.Current == states.Maintenance:
		return "maintenance: " + p.Reasons()
	case len(p.Holds) > 0:
		return "starting: " + strings.Join(p.Holds, ", ")
	}
	return "starting"
}
