package peers

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"

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

// An outcome is how a question has ended.
type outcome int

const (
	silent  outcome = iota // nobody has answered in time
	refused                // there is no process
	said                   // somebody has answered
)

// client asks one question at a time of each address. It knows no proxy and follows no redirect.
type client struct {
	transport *http.Transport
}

// maxHeader is the maximum size of the header of an answer in bytes.
const maxHeader = 4 << 10

func (n Network) client() *client {
	return &client{&http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, askLimit) // a Transport goes on dialing after the request
			defer cancel()
			return n.Dial(ctx, network, address)
		},
		DisableCompression: true, MaxIdleConnsPerHost: 1, MaxConnsPerHost: 1, IdleConnTimeout: 5 * askInterval,
		MaxResponseHeaderBytes: maxHeader,
	}}
}

func (c *client) CloseIdleConnections() { c.transport.CloseIdleConnections() }

// ask asks one peer. The answer is nil if it is none that counts.
func (c *client) ask(ctx context.Context, t Target, address string, checks []string) (*votes.Answer, outcome) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	request := (&http.Request{
		Method: http.MethodGet, Host: net.JoinHostPort(t.Host, t.Port), Header: http.Header{"User-Agent": {"otelhealth-peers"}},
		URL: &url.URL{Scheme: "http", Host: net.JoinHostPort(address, t.Port), Path: t.Path, RawQuery: Question(checks)},
	}).WithContext(ctx)
	r, err := c.transport.RoundTrip(request) // without a Client nothing is redirected
	if err != nil {
		if guard.Refused(err) {
			return nil, refused
		}
		return nil, silent
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, silent
	case r.StatusCode != http.StatusOK || len(body) > maxAnswer:
		return nil, said
	}
	return decode(body), said
}
