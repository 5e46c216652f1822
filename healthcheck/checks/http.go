package checks

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// HTTP passes while a GET of a URL is answered with a status of 200 to 299, and with all of
// the body or its first 64 KiB. The class of another status is its number, such as 503.
//
// Each run looks the name up, connects and shakes hands anew, because a connection that is
// kept open proves nothing about new ones. It follows no redirect, so a page to log in to is a
// failure, 302. As Go's own client it asks by way of the proxy that HTTP_PROXY, HTTPS_PROXY and
// NO_PROXY name. For anything else, such as a header or a certificate authority, there is
// [HTTPClient].
//
// Ask for something light: another service's liveness rather than its readiness. Otherwise one
// service that is not ready takes out all that call it.
func HTTP(url string) func(context.Context) error { return get("checks.HTTP", url, anew) }

// HTTPClient is [HTTP] with a client of yours, which is used as it is: its connections, its
// redirects, its proxy and its time limit. A kept connection is used again, so the check sees
// what your requests see, and no more.
func HTTPClient(client *http.Client, url string) func(context.Context) error {
	if client == nil {
		return invalid("checks.HTTPClient: the client is nil: write checks.HTTP(url)")
	}
	return get("checks.HTTPClient", url, func(context.Context) *http.Client { return client })
}

// maxBody is how much of an answer is read, so that a client may use its connection again.
const maxBody = 64 << 10

// get asks a URL at each run with the client of that run.
func get(name, address string, clientOf func(context.Context) *http.Client) func(context.Context) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return invalid("%s: the address is no URL", name) // the error quotes it, with a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return invalid("%s: %q is no URL of the form http://HOST/PATH", name, u.Redacted())
	}
	return func(ctx context.Context) error {
		run, end := context.WithCancel(ctx)
		defer end()
		req, err := http.NewRequestWithContext(run, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		resp, err := clientOf(run).Do(req)
		if err != nil {
			return late(ctx, u, err)
		}
		defer resp.Body.Close()
		_, cut := io.CopyN(io.Discard, resp.Body, maxBody)
		if resp.StatusCode < 200 || resp.StatusCode > 299 {
			return fail(strconv.Itoa(resp.StatusCode), "GET %s: %s", u.Redacted(), resp.Status)
		}
		if cut != nil && cut != io.EOF { // half an answer proves nothing
			return late(ctx, u, fmt.Errorf("GET %s: %w", u.Redacted(), cut))
		}
		return nil
	}
}

// late is the error of a run. The end of its context closes the connection, which must not
// pass for a fault of the network.
func late(ctx context.Context, u *url.URL, err error) error {
	if end := ctx.Err(); end != nil {
		return fmt.Errorf("GET %s: %w", u.Redacted(), end)
	}
	return err
}

// anew is a client for one run. Its connections end with ctx: by itself Go's transport goes on
// dialing after a request has timed out, for the benefit of the next one, and a host that does
// not answer would gather an attempt from each run.
func anew(ctx context.Context) *http.Client {
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() }) // the transport may have done it
		}
		return conn, err
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
