package peers

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/guard"
	"github.com/otelhealth/otelhealth/healthcheck/internal/votes"
)

// A Network looks up names and opens connections.
type Network struct {
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// Machine is the network of the machine.
func Machine() Network {
	return Network{
		Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		Dial: new(net.Dialer).DialContext,
	}
}

// An outcome is the end of a question.
type outcome int

const (
	silent  outcome = iota // no answer in time
	refused                // connection refused: no process listens
	said                   // an answer
)

// maxResponse is how much of a response is read, in bytes, with its header.
const maxResponse = 4<<10 + maxAnswer

// client asks one question at a time of each address, and keeps one connection to it. It does not use
// http.Client, because that supports proxies, redirects and HTTP/2, and adds half a megabyte to a binary.
type client struct {
	network Network
	mu      sync.Mutex // guards the map
	open    map[string]*connection
}

// connection is used by one question at a time.
type connection struct {
	net.Conn
	limit  io.LimitedReader
	reader *bufio.Reader
}

func (n Network) client() *client { return &client{network: n, open: map[string]*connection{}} }

// closeOthers closes the connections to all other addresses. No question is in progress.
func (c *client) closeOthers(addresses []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.open, func(address string, conn *connection) bool {
		other := !slices.Contains(addresses, address)
		if other {
			_ = conn.Close() // no write is pending
		}
		return other
	})
}

// take takes the kept connection to an address; nil if there is none.
func (c *client) take(address string) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := c.open[address]
	delete(c.open, address)
	return conn
}

func (c *client) keep(address string, conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[address] = conn
}

// A reply is the result of a question.
type reply struct {
	outcome outcome
	status  int    // of HTTP; 0 if there is none
	strange bool   // the answer was not HTTP/1
	body    []byte // nil if it is too long
}

// answer returns the answer of a peer; nil if the reply has none that counts.
func (r reply) answer() *votes.Answer {
	if r.outcome != said || r.status != http.StatusOK {
		return nil
	}
	return decode(r.body)
}

// ask asks one peer. A peer may close a kept connection at any time, so a question that fails on one is
// asked again on a new one.
func (c *client) ask(ctx context.Context, t Target, address string, checks []string) reply {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	request := &http.Request{
		Method: http.MethodGet, Host: net.JoinHostPort(t.Host, t.Port), Header: http.Header{"User-Agent": {"otelhealth-peers"}},
		URL: &url.URL{Path: t.Path, RawQuery: Question(checks)},
	}
	if conn := c.take(address); conn != nil {
		if r := c.exchange(ctx, conn, address, request); r.outcome == said {
			return r
		}
	}
	conn, err := c.network.Dial(ctx, "tcp", net.JoinHostPort(address, t.Port))
	if err != nil {
		if guard.Refused(err) {
			return reply{outcome: refused}
		}
		return reply{outcome: silent}
	}
	fresh := &connection{Conn: conn, limit: io.LimitedReader{R: conn}}
	fresh.reader = bufio.NewReader(&fresh.limit)
	return c.exchange(ctx, fresh, address, request)
}

// exchange writes a question and reads the answer. It keeps the connection if that can be used again.
func (c *client) exchange(ctx context.Context, conn *connection, address string, request *http.Request) reply {
	end := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends reads and writes
	defer end()
	ok := false
	defer func() {
		if !ok || !end() {
			_ = conn.Close()
			return
		}
		c.keep(address, conn)
	}()
	conn.limit.N = maxResponse
	if request.Write(conn) != nil {
		return reply{outcome: silent}
	}
	r, err := http.ReadResponse(conn.reader, request)
	if err != nil {
		if ctx.Err() == nil && conn.limit.N <= 0 {
			return reply{outcome: said} // a header without an end
		}
		return reply{outcome: silent, strange: conn.limit.N < maxResponse}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	switch {
	case err != nil && conn.limit.N > 0:
		return reply{outcome: silent}
	case err != nil, len(body) > maxAnswer:
		return reply{outcome: said, status: r.StatusCode}
	}
	ok = r.StatusCode == http.StatusOK && !r.Close
	return reply{outcome: said, status: r.StatusCode, body: body}
}
