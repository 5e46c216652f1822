package checks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// maxBody is how much of an answer is read so that its connection can be used again.
const maxBody = 64 << 10

// HTTP passes while a GET of a URL is answered with a status of 200 to 299, and with
// all of the body or its first 64 KiB. Ask for something light: another service's
// liveness rather than its readiness, lest one that is not ready takes all that call
// it out, too.
//
// A nil client follows no redirect, so that a page to log in to is a failure, 302. As
// Go's own it asks by way of the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name.
// For no proxy, another certificate authority or a header, give a client with a
// Transport of your own.
func HTTP(client *http.Client, address string) func(context.Context) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return invalid("checks.HTTP: the address is no URL") // the error quotes it, with a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return invalid("checks.HTTP: %q is no URL of the form http://HOST/PATH", u.Redacted())
	}
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, cut := io.CopyN(io.Discard, resp.Body, maxBody)
		if resp.StatusCode < 200 || resp.StatusCode > 299 {
			return fail(strconv.Itoa(resp.StatusCode), "GET %s: %s", u.Redacted(), resp.Status)
		}
		if cut != nil && cut != io.EOF { // half an answer proves nothing
			return fmt.Errorf("GET %s: %w", u.Redacted(), cut)
		}
		return nil
	}
}
