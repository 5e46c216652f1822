package healthcheck

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelhealth/otelhealth/healthcheck/internal/answer"
	"github.com/otelhealth/otelhealth/healthcheck/internal/peers"
)

// member is one instance.
type member struct {
	*Monitor
	f        *peerFleet
	n        int
	slot     int // a new instance gets the slot of the one that it replaces
	release  int
	service  string
	late     bool // started during the story
	address  netip.Addr
	accepted chan net.Conn
	closed   chan struct{}
	end      func()    // the drain begins
	ended    time.Time // the process is gone; zero while it runs
	server   *http.Server
	spread   time.Duration // random, up to 30 s

	leaving  bool // the drain has begun
	ready    bool
	admitted bool
	changes  int
	firstOut time.Duration // negative if never
	served   atomic.Int64  // questions
	bytes    atomic.Int64
}

// start starts one more instance.
func (f *peerFleet) start(release int) *member { return f.startAt(release, -1, netip.Addr{}) }

// startAt starts an instance in the slot of another one, and perhaps at its address. If slot is negative or address
// is zero, it gets new ones.
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

// over returns when the process has ended, and whether it has.
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
