// Package ask asks one instance over HTTP.
package ask

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxAnswer = 8 << 20 // bytes; the details of many checks with the texts of errors

// A Question says how to ask.
type Question struct {
	Token    string // for an operators' listener; none if empty
	Timeout  time.Duration
	Insecure bool // accept any certificate, as the kubelet does
}

// Get returns code and body. It follows no redirect, because that may lead to a login page.
func (q Question) Get(ctx context.Context, address string) (code int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	if q.Token != "" {
		req.Header.Set("Authorization", "Bearer "+q.Token)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if q.Insecure {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the person asked for it
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, unwrapped(err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, body, err
}

// unwrapped is an error of net/http without the address, because the message has the address already.
func unwrapped(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return errors.New("no answer in time: is it the right port, and does the process still run?")
		}
		if _, certificate := errors.AsType[*tls.CertificateVerificationError](err); certificate {
			return fmt.Errorf("%w: give SSL_CERT_FILE the file of its authority, or add --insecure", u.Err)
		}
		return u.Err
	}
	return err
}

// Address completes what a person has written: localhost:8000 is http://localhost:8000.
func Address(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address: write for example http://localhost:8000", text)
	}
	return u, nil
}
