package healthcheck

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

var errSilent = errors.New("no answer")

// lookup is DNS. It returns the addresses of all instances, up to 5 s old.
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

// dial opens a connection to an instance. If the instance has ended, its address refuses connections for a second,
// and then does not answer.
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
		<-ctx.Done() // no instance has this address
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

// link returns what happens to packets to another instance.
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
