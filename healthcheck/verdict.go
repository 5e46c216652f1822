package healthcheck

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// answered is a verdict with its answers. It is immutable.
type answered struct {
	*judge.Verdict
	service answer.Service
	page    answer.Page
}

// publish makes v the current verdict. judging is held, or no other goroutine has m yet.
func (m *Monitor) publish(v *judge.Verdict) {
	service := m.identity.Load().service
	m.current.Store(&answered{v, service, answer.Render(v, service)})
	m.changed.notify()
}

// Verdict returns the current verdict, never nil. Readiness fails before Start, after Stop, and if
// the last judgement is too old.
func (m *Monitor) Verdict() *verdict.Verdict { return public(m.current.Load().Verdict, time.Now()) }

// Watch yields the current verdict and then every later one: one every second, and one at once if
// something has changed. Some differ only in their time. A slow reader misses verdicts in between,
// but never the newest one. If there is no new verdict for 15 s, Watch repeats the last one with
// readiness failing. Watch ends with ctx, or with the last verdict after Stop.
func (m *Monitor) Watch(ctx context.Context) iter.Seq[*verdict.Verdict] {
	return func(yield func(*verdict.Verdict) bool) {
		var last *answered
		stale := time.NewTimer(0)
		stale.Stop()
		defer stale.Stop()
		for ctx.Err() == nil {
			next := m.changed.wait() // before Load, or a verdict could be missed
			if v := m.current.Load(); v != last {
				last = v
				stale.Stop()
				if !v.Time.IsZero() { // the verdict before the first judgement does not age
					stale.Reset(time.Until(v.Time) + judge.StaleAfter + 1)
				}
				if !yield(public(v.Verdict, time.Now())) || v.Final {
					return
				}
				continue
			}
			select {
			case <-next:
			case <-stale.C:
				if !yield(public(last.Verdict, time.Now())) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// public converts a verdict for users, as it counts now.
func public(v *judge.Verdict, now time.Time) *verdict.Verdict {
	probe := func(p states.Probe) verdict.Result { return probeResult(p, v.Effective(p, now)) }
	out := &verdict.Verdict{
		Time: v.Time, Phase: string(v.Phase), Liveness: probe(states.Liveness), Readiness: probe(states.Readiness),
		Startup: probe(states.Startup), Results: make([]verdict.Result, len(v.Checks)),
	}
	if v.Shadow != nil {
		would := func(p states.Probe) verdict.Result { return probeResult(p, v.EffectiveShadow(p, now)) }
		out.Shadow = &verdict.Shadow{Liveness: would(states.Liveness), Readiness: would(states.Readiness)}
	}
	for n := range v.Checks {
		c := &v.Checks[n]
		r := verdict.Result{
			Name: c.Subject.Name, State: c.State, Since: c.Since, Reason: c.Reason,
			OnFail: c.OnFail, Overridden: c.Override != "", Shadow: c.Shadow, Unit: c.Finding.Unit,
		}
		if c.Finding.HasValue {
			r.Value = &c.Finding.Value
		}
		if o := c.Finding.Outcome; o != nil {
			r.Err = o.Err
			if o.Span.HasTraceID() {
				r.TraceID = o.Span.TraceID().String()
			}
		}
		out.Results[n] = r
	}
	return out
}

func probeResult(p states.Probe, r judge.ProbeResult) verdict.Result {
	return verdict.Result{Name: p.String(), State: r.State, Since: r.Since, Reason: r.Reason}
}

// A notifier wakes all that wait for the next verdict.
type notifier struct {
	mu   sync.Mutex
	next chan struct{} // closed with the next verdict; nil while nobody waits
}

func (n *notifier) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

func (n *notifier) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}
