package healthcheck

import (
	"fmt"
	"net/http"
	"time"
)

type failing = func(m *member, check string, at time.Duration) (time.Duration, error)

// first fails the first k instances. took is the duration of a failing run.
func first(k int, took time.Duration) failing {
	return func(m *member, _ string, _ time.Duration) (time.Duration, error) {
		if m.n < k {
			return took, errDown
		}
		return 0, nil
	}
}

// during fails all instances in a time.
func during(from, to time.Duration) failing {
	return func(_ *member, _ string, at time.Duration) (time.Duration, error) {
		if at >= from && at < to {
			return 0, errDown
		}
		return 0, nil
	}
}

// later fails each instance from a random time within 30 s on.
func later(m *member, _ string, at time.Duration) (time.Duration, error) {
	if at >= m.spread {
		return 0, errDown
	}
	return 0, nil
}

// flapping fails all instances in the first half of every period.
func flapping(period time.Duration) failing {
	return func(_ *member, _ string, at time.Duration) (time.Duration, error) {
		if at%period < period/2 {
			return 0, errDown
		}
		return 0, nil
	}
}

// chance fails each run with a probability.
func chance(p float64) failing {
	return func(m *member, _ string, _ time.Duration) (time.Duration, error) {
		m.f.mu.Lock()
		defer m.f.mu.Unlock()
		if m.f.random.Float64() < p {
			return 0, errDown
		}
		return 0, nil
	}
}

// apart cuts connections between the first k instances and the rest.
func apart(k int) func(from, to *member, at time.Duration) error {
	return func(from, to *member, _ time.Duration) error {
		if (from.n < k) != (to.n < k) {
			return errSilent
		}
		return nil
	}
}

// rollout replaces the instances by instances of another release, as a Deployment does.
func rollout(n, surge, unavailable int) func(f *peerFleet, at time.Duration) {
	return func(f *peerFleet, at time.Duration) {
		if at < 10*time.Second {
			return
		}
		var old, fresh []*member
		ready := 0
		for _, m := range f.members {
			if _, over := m.over(); over || m.leaving {
				continue
			}
			if m.release == 0 {
				old = append(old, m)
			} else {
				fresh = append(fresh, m)
			}
			if m.ready {
				ready++
			}
		}
		for len(fresh) < n && len(old)+len(fresh) < n+surge {
			fresh = append(fresh, f.start(1))
		}
		for _, m := range old {
			if !m.ready || ready-1 >= n-unavailable {
				if m.ready {
					ready--
				}
				m.leave()
			}
		}
	}
}

// scale starts and ends instances until there are n.
func (f *peerFleet) scale(n int) {
	var here []*member
	for _, m := range f.members {
		if _, over := m.over(); !over && !m.leaving {
			here = append(here, m)
		}
	}
	for k := len(here); k < n; k++ {
		f.start(0)
	}
	for len(here) > n {
		here[len(here)-1].leave()
		here = here[:len(here)-1]
	}
}

// lie makes one instance answer with a wrong state.
func lie(state string) func(m *member, at time.Duration, w http.ResponseWriter, r *http.Request) bool {
	return func(m *member, at time.Duration, w http.ResponseWriter, r *http.Request) bool {
		if m.n != 9 || at < 0 {
			return false
		}
		fmt.Fprintf(w, `{"peers":1,"instance":"%d-9","service":"orders","lifecycle":"running","state":%q,"admitted":true,"checks":{"database":{"worked":0}}}`, m.f.seed, state)
		return true
	}
}

func broken(m *member, _ string, _ time.Duration) (time.Duration, error) {
	if m.release > 0 {
		return 0, errDown
	}
	return 0, nil
}
