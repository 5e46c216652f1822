package telemetry

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
)

// body is the request's body for the handler. net/http's request, body and writer work together, and
// otelhttp hides them from each other. So body does what net/http would do between them.
type body struct {
	io.ReadCloser
	req  *request
	read atomic.Int64
	full atomic.Bool // the last Read of a MaxBytesReader looks like one over its limit
}

func (b *body) init(req *request, of io.ReadCloser) { b.req, b.ReadCloser = req, of }

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	unread := b.read.Add(int64(n)) != b.req.outer.ContentLength
	if full := unread && n > 0 && n == len(p) && n < cap(p); (full || n > 0 && b.full.Load()) && limited() {
		b.full.Store(full)
	}
	if err == io.EOF && b.req.inner.Trailer == nil {
		b.req.inner.Trailer = b.req.outer.Trailer // also the unannounced ones
	}
	return n, err
}

// limited reports whether an http.MaxBytesReader calls Read.
func limited() bool {
	var pcs [8]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])]) // without Callers, limited and Read
	for {
		f, more := frames.Next()
		if f.Function == "net/http.(*maxBytesReader).Read" {
			return true
		}
		if !more {
			return false
		}
	}
}

// tellLimit closes the connection after the answer if the handler's MaxBytesReader has reached its
// limit. MaxBytesReader asks its writer for this by a private method, and no type outside of
// net/http can have that method. So a MaxBytesReader of our own asks the server's writer.
//
// We don't see the limit either. But MaxBytesReader cuts the buffer to one byte more than it allows.
// So over the limit, the last Read fills its whole buffer although the body has more.
func (b *body) tellLimit() {
	if b.full.Load() && b.full.Swap(false) {
		_, _ = http.MaxBytesReader(b.req.server, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
	}
}
