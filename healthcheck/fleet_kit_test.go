package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/peers"
	"github.com/otelhealth/otelhealth/healthcheck/internal/states"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// peerFleet is several instances of a service: a Monitor and a server each, on a network in memory, in
// virtual time. Its world decides what fails.
type peerFleet struct {
	t       *testing.T
	world   world
	random  *rand.Rand
	seed    uint64
	peers   bool // they ask each other
	began   time.Time
	members []*member // with the ended ones
	dns     []netip.Addr
	dnsAt   time.Duration
	mu      sync.Mutex // guards random in dials and checks, and dns
}

// world is one story. Zero functions mean that nothing of the kind happens.
type world struct {
	n        int
	interval time.Duration // of the checks; 5 s if zero
	checks   []string      // "database" if empty
	lasts    time.Duration // of the story, after the faults begin

	// fails decides about a run at a time since the faults may begin, and how long it takes.
	fails func(m *member, check string, at time.Duration) (took time.Duration, err error)
	// dial decides about a connection: nil opens it, errSilent blocks it.
	dial func(from, to *member, at time.Duration) error
	// handle answers in place of an instance; false if it does not.
	handle func(m *member, at time.Duration, w http.ResponseWriter, r *http.Request) bool
	// lookup is the error of DNS, and names the addresses that it tells.
	lookup func(at time.Duration) error
	names  func(m *member, at time.Duration, all []netip.Addr) []netip.Addr
	// life starts and ends instances, once a second.
	life func(f *peerFleet, at time.Duration)
	// configure changes the configuration of an instance before its start.
	configure func(m *member, c *Config)
}

// member is one instance.
type member struct {
	*Monitor
	f        *peerFleet
	n        int
	slot     int // who replaces an instance has its slot
	release  int
	service  string
	late     bool // started during the story
	address  netip.Addr
	accepted chan net.Conn
	closed   chan struct{}
	end      func()    // the drain begins
	ended    time.Time // the process is gone; zero while it runs
	server   *http.Server
	spread   time.Duration // a random number of the story, up to 30 s

	leaving  bool // the drain has begun
	ready    bool
	admitted bool
	changes  int
	firstOut time.Duration // negative if never
	served   atomic.Int64  // questions
	bytes    atomic.Int64
}

var errSilent = errors.New("no answer")

// settling is the time until all instances are in their rhythm.
func (w *world) settling() time.Duration { return 20*time.Second + w.interval }

func newPeerFleet(t *testing.T, w world, seed uint64, withPeers bool) *peerFleet {
	if w.interval == 0 {
		w.interval = 5 * time.Second
	}
	if w.checks == nil {
		w.checks = []string{"database"}
	}
	f := &peerFleet{t: t, world: w, seed: seed, random: rand.New(rand.NewPCG(seed, 1)), peers: withPeers, began: time.Now(), dnsAt: -time.Hour}
	for range w.n {
		f.start(0)
		time.Sleep(time.Duration(f.random.Int64N(int64(15*time.Second) / int64(w.n))))
	}
	time.Sleep(time.Until(f.began.Add(w.settling())))
	return f
}

// at is the time since the faults may begin; negative before.
func (f *peerFleet) at() time.Duration { return time.Since(f.began) - f.world.settling() }

// start starts one more instance.
func (f *peerFleet) start(release int) *member { return f.startAt(release, -1, netip.Addr{}) }

// startAt starts an instance in the slot of another one, perhaps at its address. Negative and zero are
// its own.
func (f *peerFleet) startAt(release, slot int, address netip.Addr) *member {
	f.mu.Lock()
	n := len(f.members)
	id := fmt.Sprintf("%d-%d", f.seed, n)
	if !address.IsValid() {
		address = netip.AddrFrom4([4]byte{10, 0, byte(n / 250), byte(n%250 + 1)})
	}
	if slot < 0 {
		slot = n
	}
	m := &member{f: f, n: n, slot: slot, release: release, service: "orders", address: address,
		accepted: make(chan net.Conn), closed: make(chan struct{}), firstOut: -1, late: f.at() >= 0, spread: time.Duration(f.random.Int64N(int64(30 * time.Second)))}
	f.mu.Unlock()
	c := Config{}
	for _, name := range f.world.checks {
		c.Checks = append(c.Checks, Check{Name: name, Interval: f.world.interval, Func: func(ctx context.Context) error { return m.check(ctx, name) }})
	}
	if f.peers {
		c.Peers = "orders-peers:8000"
	}
	if f.world.configure != nil {
		f.world.configure(m, &c)
	}
	m.Monitor = New(c)
	m.instance = id
	m.network = peers.Network{Lookup: m.lookup, Dial: m.dial}
	m.identity.Store(&identity{answer.Service{Name: m.service, Version: "1"}, id})
	ctx, cancel := context.WithCancel(context.Background())
	m.end = cancel
	p := quiet(nil, nil)
	p.Reader, p.MeterProvider = nil, noop.NewMeterProvider()
	if err := m.StartWith(ctx, p); err != nil {
		f.t.Fatal(err)
	}
	m.server = &http.Server{Handler: m.Wrap(nil), ReadHeaderTimeout: time.Minute}
	inner := m.server.Handler
	m.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.served.Add(1)
		if h := f.world.handle; h != nil && h(m, f.at(), w, r) {
			return
		}
		inner.ServeHTTP(counted{w, &m.bytes}, r)
	})
	go func() { _ = m.server.Serve(listener{m}) }()
	go func() {
		<-m.Drained()
		m.kill()
	}()
	f.mu.Lock()
	f.members = append(f.members, m)
	f.mu.Unlock()
	return m
}

// kill ends the process at once.
func (m *member) kill() {
	m.f.mu.Lock()
	first := m.ended.IsZero()
	if first {
		m.ended = time.Now()
	}
	m.f.mu.Unlock()
	if first {
		close(m.closed)
		_ = m.server.Close()
		m.end()
		m.Stop()
	}
}

// leave begins the drain.
func (m *member) leave() {
	m.leaving = true
	m.end()
}

// over reports since when the process is gone.
func (m *member) over() (since time.Time, yes bool) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	return m.ended, !m.ended.IsZero()
}

func (m *member) check(ctx context.Context, name string) error {
	var err error
	took := 5 * time.Millisecond
	if at := m.f.at(); at >= 0 && m.f.world.fails != nil {
		if d, e := m.f.world.fails(m, name, at); e != nil || d > 0 {
			err, took = e, max(d, time.Millisecond)
		}
	}
	t := time.NewTimer(took)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return err
	}
}

// lookup is DNS: the addresses of all instances, as they were up to 5 s ago.
func (f *peerFleet) lookup(ctx context.Context, _ string) ([]netip.Addr, error) {
	at := f.at()
	if l := f.world.lookup; l != nil && at >= 0 {
		if err := l(at); err != nil {
			if errors.Is(err, errSilent) {
				<-ctx.Done()
				err = ctx.Err()
			}
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if at-f.dnsAt >= 5*time.Second {
		f.dns, f.dnsAt = nil, at
		for _, m := range f.members {
			if m.ended.IsZero() {
				f.dns = append(f.dns, m.address)
			}
		}
	}
	return f.dns, nil
}

// lookup is DNS as one instance sees it.
func (m *member) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := m.f.lookup(ctx, host)
	if names := m.f.world.names; err == nil && names != nil && m.f.at() >= 0 {
		all = names(m, m.f.at(), all)
	}
	return all, err
}

// dial opens a connection to an instance. One that has ended refuses for a second, and then its address
// is silent.
func (m *member) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var to *member
	m.f.mu.Lock()
	for _, o := range m.f.members {
		if o.address.String() == host {
			to = o
		}
	}
	m.f.mu.Unlock()
	if to == nil {
		<-ctx.Done() // nobody has this address
		return nil, ctx.Err()
	}
	err = m.link(to)
	if since, over := to.over(); over && err == nil {
		err = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		if time.Since(since) > time.Second {
			err = errSilent
		}
	}
	if errors.Is(err, errSilent) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	mine, theirs := net.Pipe()
	select {
	case to.accepted <- theirs:
		return &wire{mine, m, to}, nil
	case <-to.closed:
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// link is what the world does with packets to another instance.
func (m *member) link(to *member) error {
	if d := m.f.world.dial; d != nil && m.f.at() >= 0 {
		return d(m, to, m.f.at())
	}
	return nil
}

// wire is a connection between two instances. It loses what is written while there is no link.
type wire struct {
	net.Conn
	from, to *member
}

func (w *wire) Write(b []byte) (int, error) {
	switch err := w.from.link(w.to); {
	case errors.Is(err, errSilent):
		return len(b), nil
	case err != nil:
		return 0, err
	}
	return w.Conn.Write(b)
}

type listener struct{ m *member }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.m.accepted:
		return c, nil
	case <-l.m.closed:
		return nil, net.ErrClosed
	}
}
func (l listener) Close() error { return nil }
func (l listener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.m.address, 8000))
}

// counted counts the bytes of bodies.
type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

var _ io.Writer = counted{}

// told is the outcome of one story.
type told struct {
	fewest, end, changes int
	firstOut, lastOut    time.Duration // of instances that were ready at the beginning; negative if none has left
	allPass              time.Duration // since when all checks pass; negative if they don't
	late                 int           // instances that were started during the story and are ready at the end
}

// tell tells the story and returns its outcome. each is called every 100 ms, if it is not nil.
func tell(t *testing.T, w world, seed uint64, withPeers bool, each func(f *peerFleet, at time.Duration)) (o told) {
	synctest.Test(t, func(t *testing.T) {
		f := newPeerFleet(t, w, seed, withPeers)
		o = told{fewest: 1 << 30, firstOut: -1, lastOut: -1, allPass: -1}
		f.watch()
		for _, m := range f.members {
			m.changes = 0
		}
		next := time.Duration(0)
		for f.at() < w.lasts {
			if at := f.at(); w.life != nil && at >= next {
				w.life(f, at)
				next += time.Second
			}
			time.Sleep(100 * time.Millisecond)
			o.fewest = min(o.fewest, f.watch())
			if pass := f.pass(); !pass {
				o.allPass = -1
			} else if o.allPass < 0 {
				o.allPass = f.at()
			}
			if each != nil {
				each(f, f.at())
			}
		}
		o.end = f.watch()
		for _, m := range f.members {
			o.changes = max(o.changes, m.changes)
			if m.firstOut >= 0 && !m.late {
				if o.firstOut < 0 {
					o.firstOut = m.firstOut
				}
				o.firstOut, o.lastOut = min(o.firstOut, m.firstOut), max(o.lastOut, m.firstOut)
			}
			if m.late && m.ready {
				o.late++
			}
		}
		for _, m := range f.members {
			m.kill()
		}
		time.Sleep(2 * time.Second) // until all handlers have returned
	})
	return o
}

// watch notes who is ready, and returns how many are.
func (f *peerFleet) watch() (n int) {
	for _, m := range f.members {
		v := m.current.Load()
		_, over := m.over()
		ready := !over && v.Effective(states.Readiness, time.Now()).State != verdict.Fail
		if ready {
			n++
		}
		if ready != m.ready && m.admitted && !over && v.Phase == states.Running {
			m.changes++
			if testing.Verbose() {
				f.t.Logf("%v: %d is ready: %v: %s", f.at().Round(time.Millisecond), m.n, ready, v.Probes[states.Readiness].Reason)
			}
			if !ready && m.firstOut < 0 {
				m.firstOut = f.at()
			}
		}
		m.admitted = m.admitted || ready
		m.ready = ready
	}
	return n
}

// pass reports whether all checks of all instances pass.
func (f *peerFleet) pass() bool {
	for _, m := range f.members {
		if _, over := m.over(); over {
			continue
		}
		for _, c := range m.current.Load().Checks {
			if !states.Good(c.State) {
				return false
			}
		}
	}
	return true
}
