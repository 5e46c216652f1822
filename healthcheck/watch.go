package healthcheck

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
)

// news wakes those who wait for the next verdict.
type news struct {
	mu   sync.Mutex
	next chan struct{} // closed with the next verdict; nil while nobody waits
}

func (n *news) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

// publish makes a verdict the one that is answered.
func (m *Monitor) publish(j *judge.Verdict) *Verdict {
	v := newVerdict(j, m.service.Load().who)
	m.verdict.Store(v)
	m.news.tell()
	return v
}

// Watch gives the verdict that there is, if any, and then each later one, some of
// which are equal but for their time: there is one each second, and one at once
// when something has changed. Who is slow misses those in between and never the
// newest. One that grows stale, since none has followed it, is given once more:
// [Monitor.Status] and [Verdict.Stale] tell. It ends with ctx, or with the last
// verdict, after [Monitor.Stop].
func (m *Monitor) Watch(ctx context.Context) iter.Seq[*Verdict] {
	return func(yield func(*Verdict) bool) {
		var last *Verdict
		stale := time.NewTimer(0)
		stale.Stop()
		defer stale.Stop()
		for ctx.Err() == nil {
			next := m.news.wait() // before looking, or a verdict could come unseen
			if v := m.verdict.Load(); v != nil && v != last {
				last = v
				stale.Reset(time.Until(v.Time) + judge.StaleAfter + 1)
				if !yield(v) || v.judged.Final {
					return
				}
				continue
			}
			select {
			case <-next:
			case <-stale.C:
				if !yield(last) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
