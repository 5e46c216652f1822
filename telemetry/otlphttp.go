package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// newClient makes the client of an exporter that uses HTTP. Every failed attempt calls report.
func newClient(s signal, report func(error)) *http.Client {
	return &http.Client{CheckRedirect: stay, Transport: &attempts{limit: s.attempt(), report: report, next: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:       s.tls,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       90 * time.Second,
	}}}
}

// stay follows no redirect. The new request would take the headers, with the collector's key, to another
// host, or would be a GET without the data. The redirect's status fails the export.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// attempts is the transport of one exporter. It limits the time of each attempt. It also makes the exporter
// retry after a broken connection, as the protocol requires. Otherwise the exporter would drop the batch.
type attempts struct {
	next   *http.Transport
	limit  time.Duration
	report func(error)
}

func (a *attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	into, _ := r.Context().Value(lastStatus{}).(*statusError)
	if into != nil {
		*into = 0 // of the attempt before
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.limit)
	res, err := a.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		late := ctx.Err() != nil
		cancel()
		switch {
		case r.Context().Err() != nil:
			return nil, err
		case late:
			err = unanswered(a.limit)
		default:
			err = broken{err}
		}
		a.report(fmt.Errorf("export: %w", err))
		return nil, err
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		err := statusError(res.StatusCode)
		if into != nil {
			*into = err
		}
		a.report(fmt.Errorf("export: %w", err))
	}
	res.Body = cancelBody{res.Body, cancel}
	return res, nil
}

// CloseIdleConnections lets http.Client close the connections.
func (a *attempts) CloseIdleConnections() { a.next.CloseIdleConnections() }

// unanswered is the error of an attempt without an answer. The exporters don't retry it, because the
// collector may have taken the batch.
type unanswered time.Duration

func (u unanswered) Error() string {
	return fmt.Sprintf("the collector has not answered for %v", time.Duration(u))
}
func (unanswered) Unwrap() error { return context.DeadlineExceeded }

// broken is the error of a connection. The exporters retry temporary errors.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }
func (broken) Temporary() bool { return true }
func (b broken) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(b.error, &t) && t.Timeout()
}

// statusError is the HTTP status of a failed attempt.
type statusError int

func (s statusError) Error() string { return strconv.Itoa(int(s)) + " " + http.StatusText(int(s)) }

// lastStatus is the context key of a *statusError, which the transport sets. The exporters' errors
// do not have the status.
type lastStatus struct{}

type cancelBody struct {
	io.ReadCloser
	cancel func()
}

func (b cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
