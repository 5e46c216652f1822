package healthcheck

import (
	"cmp"
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/collect"
	"github.com/otelhealth/otelhealth/healthcheck/internal/judge"
	"github.com/otelhealth/otelhealth/healthcheck/internal/lifecycle"
	"github.com/otelhealth/otelhealth/healthcheck/internal/operator"
	"github.com/otelhealth/otelhealth/healthcheck/internal/peers"
)

// A Monitor judges the health of one process. Make it with [New]. Its methods may be called at any time,
// from any goroutine. If another Monitor runs on the same MeterProvider or Reader, Start returns an
// error.
type Monitor struct {
	config   Config
	registry collect.Registry // of instruments
	life     lifecycle.Life
	requests requestCounts
	current  atomic.Pointer[answered]
	identity atomic.Pointer[identity]
	changed  notifier
	kick     chan struct{} // asks for a judgement
	drained  chan struct{}
	drain    func()        // closes drained
	stopping chan struct{} // closed by Stop
	stop     func()

	overrides atomic.Pointer[operator.Overrides] // in force
	unchecked atomic.Pointer[time.Time]          // since when there are overrides whose names were not looked up yet

	judging sync.Mutex // one judgement at a time
	judge   judge.Judge

	instance string        // random id of the process; peers recognize it by this
	network  peers.Network // to the peers

	mu       sync.Mutex // guards the fields below; never held while foreign code runs
	phase    phase
	entries  []*entry
	queues   []*Queue
	mistakes []error  // of Heartbeat and Queue, until Start returns them
	running  *running // since Start

	beats atomic.Pointer[[]*Heartbeat] // for the callback, which takes no lock
}

// phase is the state of a Monitor between New and Stop.
type phase int

const (
	fresh phase = iota
	starting
	started
	stopped
)

// New makes a Monitor. It returns no error: Start returns all mistakes in c at once. Before Start,
// /ready and /startup answer 503, and /health answers 200.
func New(c Config) *Monitor {
	c.Checks, c.Rules = slices.Clone(c.Checks), slices.Clone(c.Rules)
	c.DrainDelay = cmp.Or(c.DrainDelay, defaultDrainDelay)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, defaultShutdownTimeout)
	m := &Monitor{config: c, kick: make(chan struct{}, 1), drained: make(chan struct{}), stopping: make(chan struct{})}
	m.instance, m.network = rand.Text(), peers.Machine()
	m.drain = sync.OnceFunc(func() { close(m.drained) })
	m.stop = sync.OnceFunc(m.end)
	m.identity.Store(unidentified(&m.config))
	m.overrides.Store(&operator.Overrides{})
	m.beats.Store(&[]*Heartbeat{})
	for _, check := range c.Checks {
		m.entries = append(m.entries, &entry{name: check.Name, check: &check})
	}
	for _, r := range c.Rules {
		r.Per = slices.Clone(r.Per)
		m.entries = append(m.entries, &entry{name: r.Name, rule: &r})
	}
	m.publish(judge.Unjudged(m.life.Phase(time.Now())))
	return m
}

// Stop ends checks and rules after a last judgement. From then on readiness fails and liveness
// passes. Stop does not wait for a hung collection or check. It may be called at any time and more
// than once. A stopped Monitor can't start again.
func (m *Monitor) Stop() { m.stop() }

func (m *Monitor) end() {
	close(m.stopping)
	m.life.Drain()
	m.mu.Lock()
	was, r := m.phase, m.running
	m.phase = stopped
	m.mu.Unlock()
	if was == started {
		m.judgeNow()
		r.cancel()
		r.loops.Wait()
	}
	m.judging.Lock()
	defer m.judging.Unlock()
	final := *m.current.Load().Verdict
	if was != started {
		final = *judge.Unjudged(m.life.Phase(time.Now()))
	}
	final.Final = true
	m.publish(&final)
	m.drain()
	if was == started {
		r.release()
		r.log.End() // nothing is judged after the last verdict
	}
}

// Drained returns a channel. It is closed when the process may shut its servers down:
// Config.DrainDelay after the end of the context given to Start, or after Stop. Serve and
// ListenAndServe wait for it. Before Start, only Stop closes it. Let run groups, gRPC servers and
// workers wait for it too:
//
//	<-health.Drained()
//	grpcServer.GracefulStop()
//	health.Stop()
func (m *Monitor) Drained() <-chan struct{} { return m.drained }

// beginDrain takes the instance out of traffic for good.
func (m *Monitor) beginDrain() {
	m.life.Drain()
	m.judgeNow() // readiness fails before any server ends
	time.AfterFunc(max(0, m.config.DrainDelay), m.drain)
}
