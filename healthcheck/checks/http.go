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

// HTTP passes if a GET of the URL returns a status of 200 to 299 and the whole body, or its first
// 64 KiB. The class of any other status is its number, such as 503.
//
// Every run looks up the name, connects and makes a TLS handshake again, because an open connection
// proves nothing about new ones. HTTP follows no redirect, so a redirect to a login page is a failure
// of class 302. Like Go's own client, it uses the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. For
// anything else, such as a header or a certificate authority, use [HTTPClient].
//
// Ask for another service's liveness rather than its readiness. Otherwise one service that is not
// ready takes out all its callers.
func HTTP(url string) func(context.Context) error { return get("checks.HTTP", url, freshClient) }

// HTTPClient is [HTTP] with your own client and its connections, redirects, proxy and time limit.
// It reuses open connections. So the check proves that requests of this client work, but nothing about
// new connections.
func HTTPClient(client *http.Client, url string) func(context.Context) error {
	if client == nil {
		return invalid("checks.HTTPClient: the client is nil: write checks.HTTP(url)")
	}
	return get("checks.HTTPClient", url, func(context.Context) *http.Client { return client })
}

// maxBody is how much of a body is read. A client reuses a connection only after its body was read.
const maxBody = 64 << 10

// get requests a URL in every run, with the client of that run.
func get(name, address string, clientOf func(context.Context) *http.Client) func(context.Context) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return invalid("%s: the address is not a URL", name) // without err, because it quotes the password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return invalid("%s: %q is not a URL of the form http://HOST/PATH", name, u.Redacted())
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
			return runError(ctx, u, err)
		}
		defer resp.Body.Close()
		_, cut := io.CopyN(io.Discard, resp.Body, maxBody)
		if resp.StatusCode < 200 || resp.StatusCode > 299 {
			return fail(strconv.Itoa(resp.StatusCode), "GET %s: %s", u.Redacted(), resp.Status)
		}
		if cut != nil && cut != io.EOF { // half an answer proves nothing
			return runError(ctx, u, fmt.Errorf("GET %s: %w", u.Redacted(), cut))
		}
		return nil
	}
}

// runError returns the error of a run. If the context has ended, it is the context's error, because the
// closed connection would look like a network fault.
func runError(ctx context.Context, u *url.URL, err error) error {
	if end := ctx.Err(); end != nil {
		return fmt.Errorf("GET %s: %w", u.Redacted(), end)
	}
	return err
}

// freshClient returns a client for one run. Its connections end with ctx. Otherwise Go's transport goes
// on dialing after a request has timed out, and a host that does not answer would collect an attempt from
// every run.
func freshClient(ctx context.Context) *http.Client {
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() }) // the transport may have closed it
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
