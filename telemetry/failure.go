package telemetry

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// failure is an index into failures: why the client has not got the whole answer. It is error.type.
type failure int

const (
	complete failure = iota
	clientGone
	timedOut
	aborted
)

var failures = [...]string{"", "client_disconnected", "timeout", "aborted"}

var failureAttributes = func() (all [len(failures)]attribute.KeyValue) {
	for n, name := range failures {
		all[n] = semconv.ErrorTypeKey.String(name)
	}
	return all
}()

// buffered is more than net/http buffers before it writes to the connection: 2 kB and 4 kB.
const buffered = 8 << 10

// fail notes an error of a write. Errors that the handler has caused say nothing about the connection.
func (req *request) fail(err error) {
	switch {
	case err == nil, errors.Is(err, http.ErrContentLength), errors.Is(err, http.ErrBodyNotAllowed), errors.Is(err, http.ErrHijacked):
	case errors.Is(err, os.ErrDeadlineExceeded):
		req.broken.Store(int32(timedOut))
	default:
		req.broken.CompareAndSwap(int32(complete), int32(clientGone))
	}
}

// outcome returns why the client has not got the whole answer, after the handler has returned. panicked
// means that the handler panicked with another value than http.ErrAbortHandler. That is never the
// client's fault.
func (req *request) outcome(panicked bool) failure {
	broken := failure(req.broken.Load())
	switch {
	case panicked && req.cut:
		return aborted
	case panicked:
		return complete // a 500
	case broken == timedOut, req.late():
		return timedOut
	case broken == clientGone, req.gone() && !req.delivered():
		return clientGone
	case req.cut, req.short():
		return aborted
	}
	return complete
}

// gone reports whether net/http has cancelled the request because its connection or stream is gone. It is
// false if the service cancels the parent of all requests at its end, as with signal.NotifyContext: that
// cancellation has another cause.
func (req *request) gone() bool {
	ctx := req.outer.Context()
	return ctx.Err() == context.Canceled && context.Cause(ctx) == context.Canceled
}

// late reports whether the server's deadline for writing has cut the answer. A small answer is still in a
// buffer here, and net/http does not report that it can't be written. So late flushes it. After the
// deadline that changes nothing for the client.
func (req *request) late() bool {
	var deadline time.Time
	if own := req.deadline.Load(); own != nil {
		deadline = *own
	} else if srv, _ := req.outer.Context().Value(http.ServerContextKey).(*http.Server); srv != nil && srv.WriteTimeout > 0 {
		deadline = req.start.Add(srv.WriteTimeout)
	}
	if deadline.IsZero() || time.Now().Before(deadline) {
		return false
	}
	err := http.NewResponseController(req.server).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return false
	}
	return err != nil || req.standard && !req.delivered() // the last chunk can't be written
}

// declared returns the Content-Length of the answer; -1 if there is none.
func (req *request) declared() int64 {
	if v := req.server.Header()["Content-Length"]; len(v) == 1 {
		if n, err := strconv.ParseInt(v[0], 10, 64); err == nil {
			return n
		}
	}
	return -1
}

// delivered reports whether the handler has written a whole answer, and not a 5xx. Then the client may have
// received it and gone before the handler returned.
func (req *request) delivered() bool {
	status := req.status.Load()
	if status == 0 || status >= 500 {
		return false
	}
	if req.method == headMethod || status == http.StatusNoContent || status == http.StatusNotModified {
		return true
	}
	declared := req.declared()
	return declared >= 0 && req.written.Load() >= declared
}

// short reports whether the handler has written less than its Content-Length. Then net/http cuts the
// connection.
func (req *request) short() bool {
	status := req.status.Load()
	if status == 0 || req.method == headMethod || status == http.StatusNoContent || status == http.StatusNotModified {
		return false
	}
	return req.written.Load() < req.declared()
}

// seen returns the status that the client has seen. If the client did not wait for one, it is 0, and there
// is no attribute. If the service has cut the connection before the header was sent, it is 500: a proxy
// would answer 502.
func (req *request) seen() int {
	status := int(req.status.Load())
	if status == 0 {
		status = http.StatusOK
	}
	if req.failure == complete || req.flushed.Load() || req.written.Load() >= buffered {
		return status
	}
	switch {
	case req.failure == clientGone:
		return 0
	case req.cut, req.failure == timedOut:
		return http.StatusInternalServerError
	}
	return status
}
