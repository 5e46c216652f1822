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

// answered is a verdict and the answers to it. It is immutable.
type answered struct {
	*judge.Verdict
	who  answer.Who
	page answer.Page
}

// publish makes a verdict the one that is answered. judging is held, or nobody else knows m.
func (m *Monitor) publish(v *judge.Verdict) {
	who := m.service.Load().who
	m.current.Store(&answered{v, who, answer.Render(v, who)})
	m.changed.notify()
}

// Verdict is what is answered now; never nil. Readiness fails before Start, after Stop, and if
// the last judgement is more than 15 s old.
func (m *Monitor) Verdict() *verdict.Verdict { return public(m.current.Load().Verdict, time.Now()) }

// Watch gives the present verdict and then each later one: one every second, and one at once
// when something has changed. Some are equal but for their time. A slow reader misses those in
// between and never the newest. If none follows a verdict for 15 s, the verdict is given once
// more, with readiness failing. Watch ends with ctx, or with the last verdict after Stop.
func (m *Monitor) Watch(ctx context.Context) iter.Seq[*verdict.Verdict] {
	return func(yield func(*verdict.Verdict) bool) {
		var last *answered
		stale := time.NewTimer(0)
		stale.Stop()
		defer stale.Stop()
		for ctx.Err() == nil {
			next := m.changed.wait() // before looking, or a verdict could come unseen
			if v := m.current.Load(); v != last {
				last = v
				stale.Stop()
				if !v.Time.IsZero() { // one that was never judged does not age
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

// public is a verdict as users read it, at a time.
func public(v *judge.Verdict, now time.Time) *verdict.Verdict {
	probe := func(p states.Probe) verdict.Result {
		r := v.Effective(p, now)
		return verdict.Result{Name: p.String(), State: r.State, Since: r.Since, Reason: r.Reason}
	}
	out := &verdict.Verdict{
		Time: v.Time, Phase: string(v.Phase), Liveness: probe(states.Liveness), Readiness: probe(states.Readiness),
		Startup: probe(states.Startup), Results: make([]verdict.Result, len(v.Checks)),
	}
	for n := range v.Checks {
		c := &v.Checks[n]
		r := verdict.Result{
			Name: c.Subject.Name, State: c.State, Since: c.Since, Reason: c.Reason,
			OnFail: c.OnFail, Overridden: c.Overridden, Unit: c.Finding.Unit,
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

// A notifier wakes those that wait for the next verdict.
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
