package telemetry

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/felixge/httpsnoop"
)

// lower is the writer that otelhttp gets. It has only the three methods that otelhttp measures, because
// otelhttp would wrap every optional method again.
type lower struct{ req *request }

func (l lower) Header() http.Header         { return l.req.server.Header() }
func (l lower) Write(b []byte) (int, error) { return l.req.server.Write(b) }
func (l lower) WriteHeader(status int)      { l.req.server.WriteHeader(status) }

// writer has the methods of both protocols' writers. The ones that otelhttp measures go through it,
// and the others go to the server's writer. A struct of one pointer fits into an interface without
// an allocation.
type writer struct{ req *request }

func (w writer) Header() http.Header         { return w.req.measured.Header() }
func (w writer) Unwrap() http.ResponseWriter { return w.req.server }

func (w writer) WriteHeader(status int) {
	w.req.body.tellLimit()
	w.req.measured.WriteHeader(status)
	w.req.sent(status) // afterwards, because net/http panics if the status is invalid
}

func (w writer) Write(b []byte) (int, error) {
	w.req.body.tellLimit()
	w.req.sent(http.StatusOK)
	n, err := w.req.measured.Write(b)
	w.req.written.Add(int64(n))
	w.req.fail(err)
	return n, err
}

func (w writer) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// flush sends the header, as net/http does, but through otelhttp. Then otelhttp also ignores a
// later status.
func (w writer) flush() {
	w.req.body.tellLimit()
	if w.req.status.CompareAndSwap(0, http.StatusOK) {
		w.req.measured.WriteHeader(http.StatusOK)
	}
	w.req.flushed.Store(true)
}

func (w writer) Flush()            { w.flush(); w.req.server.(http.Flusher).Flush() }
func (w writer) FlushError() error { w.flush(); return w.req.server.(flusher).FlushError() }

func (w writer) CloseNotify() <-chan bool { return w.req.server.(closeNotifier).CloseNotify() }
func (w writer) SetReadDeadline(t time.Time) error {
	return w.req.server.(deadliner).SetReadDeadline(t)
}
func (w writer) SetWriteDeadline(t time.Time) error {
	w.req.deadline.Store(&t)
	return w.req.server.(deadliner).SetWriteDeadline(t)
}
func (w writer) EnableFullDuplex() error { return w.req.server.(duplexer).EnableFullDuplex() }

// hijack ends the request: the connection is the handler's.
func (w writer) hijack(f func() (net.Conn, *bufio.ReadWriter, error)) (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := f()
	if err == nil {
		w.req.taken = true
		w.req.sent(http.StatusOK) // as otelhttp has it, if the handler sent no status before
		w.req.end()
	}
	return conn, rw, err
}

// readFrom counts the answer as sent while it runs, because src may panic in between. If src is empty or
// fails at once, nothing is sent, and the handler can still answer with an error.
func (w writer) readFrom(f func(io.Reader) (int64, error), src io.Reader) (int64, error) {
	w.req.body.tellLimit()
	first := w.req.status.CompareAndSwap(0, http.StatusOK)
	n, err := f(src)
	w.req.written.Add(n)
	if first && n == 0 {
		w.req.status.Store(0)
	}
	return n, err
}

// http1 has the methods of net/http's writer for HTTP/1.
type http1 struct{ writer }

func (w http1) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.hijack(w.req.server.(http.Hijacker).Hijack)
}

func (w http1) ReadFrom(src io.Reader) (int64, error) {
	return w.readFrom(w.req.server.(io.ReaderFrom).ReadFrom, src)
}

// http2 has the methods of net/http's writer for HTTP/2.
type http2 struct{ writer }

func (w http2) Push(target string, o *http.PushOptions) error {
	return w.req.server.(http.Pusher).Push(target, o)
}

type (
	flusher   interface{ FlushError() error }
	deadliner interface {
		SetReadDeadline(time.Time) error
		SetWriteDeadline(time.Time) error
	}
	duplexer interface{ EnableFullDuplex() error }
	// net/http's own name for it is deprecated, but its writers still have it.
	closeNotifier interface{ CloseNotify() <-chan bool }
	common        interface {
		http.Flusher
		closeNotifier
		io.StringWriter
		flusher
		deadliner
		duplexer
	}
)

// writer returns the writer for the handler. It has the optional methods of the server's writer and
// no others, because callers ask for them by type.
func (req *request) writer() http.ResponseWriter {
	w := writer{req}
	if _, ok := req.server.(common); ok {
		req.standard = true
		_, hijacks := req.server.(http.Hijacker)
		_, reads := req.server.(io.ReaderFrom)
		_, pushes := req.server.(http.Pusher)
		switch {
		case hijacks && reads && !pushes:
			return http1{w}
		case pushes && !hijacks && !reads:
			return http2{w}
		}
	}
	return w.snoop()
}

// snoop is for writers of a middleware around us, or of httptest. If such a writer has no Hijack, a
// ResponseController finds net/http's by Unwrap, and we don't see the hijack.
func (w writer) snoop() http.ResponseWriter {
	return httpsnoop.Wrap(w.req.server, httpsnoop.Hooks{
		Header:      func(httpsnoop.HeaderFunc) httpsnoop.HeaderFunc { return w.Header },
		WriteHeader: func(httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc { return w.WriteHeader },
		Write:       func(httpsnoop.WriteFunc) httpsnoop.WriteFunc { return w.Write },
		WriteString: func(httpsnoop.WriteStringFunc) httpsnoop.WriteStringFunc { return w.WriteString },
		Flush: func(f httpsnoop.FlushFunc) httpsnoop.FlushFunc {
			return func() { w.flush(); f() }
		},
		FlushError: func(f httpsnoop.FlushErrorFunc) httpsnoop.FlushErrorFunc {
			return func() error { w.flush(); return f() }
		},
		ReadFrom: func(f httpsnoop.ReadFromFunc) httpsnoop.ReadFromFunc {
			return func(src io.Reader) (int64, error) { return w.readFrom(f, src) }
		},
		Hijack: func(f httpsnoop.HijackFunc) httpsnoop.HijackFunc {
			return func() (net.Conn, *bufio.ReadWriter, error) { return w.hijack(f) }
		},
	})
}
