package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/internal/guard"
)

// request is all that we know of one request, in one allocation. It is never reused, because a handler may
// keep its writer after it has returned. A late write would then go into another request's answer.
//
// The calls go from net/http to instrumented, otelhttp, request and the user's handler. Writes go
// back from writer to otelhttp, lower and net/http.
type request struct {
	*instrumented

	server   http.ResponseWriter // net/http's, or that of a middleware around us
	measured http.ResponseWriter // otelhttp's, which ends in server

	outer *http.Request // net/http's
	told  http.Request  // otelhttp's
	inner *http.Request // the handler's; nil before otelhttp has called us
	given http.Request  // inner
	body  body

	method method
	scheme scheme
	status atomic.Int32 // the final status; 0 if nothing of the answer was sent
	taken  bool         // the handler has hijacked the connection
	back   bool         // the handler has returned
	cut    bool         // cut the connection, so that the client sees an incomplete answer

	written  atomic.Int64              // bytes of the body
	flushed  atomic.Bool               // the header was sent to the client
	broken   atomic.Int32              // a failure that a write has returned
	deadline atomic.Pointer[time.Time] // for writing, set by the handler; nil for the server's
	standard bool                      // the server's writer is net/http's own, so deadline is known
	failure  failure

	start          time.Time // guarded by inflight, like the rest
	older, younger *request
	open           bool
}

// tell returns a request for otelhttp, with only the parts that are exported on a span. otelhttp would make
// attributes of all other parts too, for every request, and these would be dropped. net/http's own request
// stays as it is, because net/http looks at the type of its body when it writes the header.
func (req *request) tell(ctx context.Context) *http.Request {
	r := req.outer
	told := http.Request{Method: r.Method, Proto: r.Proto, Host: r.Host, TLS: r.TLS, Pattern: r.Pattern, Body: r.Body}
	if req.t.spanDetails {
		told.Header, told.URL, told.RemoteAddr = r.Header, r.URL, r.RemoteAddr
	}
	req.told = *told.WithContext(ctx)
	return &req.told
}

// ServeHTTP is called by otelhttp, with its copy of the request from tell.
func (req *request) ServeHTTP(w http.ResponseWriter, told *http.Request) {
	req.given = *req.outer.WithContext(told.Context())
	req.measured, req.inner = w, &req.given
	if b := told.Body; b != nil && b != http.NoBody {
		req.body.init(req, b)
		req.inner.Body = &req.body
	}
	out := req.writer()
	defer req.recovered(out, told)
	req.next.ServeHTTP(out, req.inner) // this very request, because the mux writes its pattern into it
	req.back = true
}

// hand copies to the requests of otelhttp and net/http what these read after the handler.
func (req *request) hand(span trace.Span, told *http.Request) {
	if req.inner.MultipartForm != nil {
		req.outer.MultipartForm = req.inner.MultipartForm // net/http removes its files
	}
	req.outer.Pattern = req.inner.Pattern // a middleware around us sees the route, as around a mux
	if req.t.duration.sizes {
		told.Method, told.Pattern = req.inner.Method, req.inner.Pattern
		return
	}
	if req.inner.Pattern != "" && span.IsRecording() {
		span.SetName(req.t.routes.spanName("", req.inner))
	}
	told.Pattern, told.Proto, told.Host = "", "", "" // otelhttp sorts and hashes the rest, and nobody records it
}

// recovered turns a panic into a 500 before otelhttp sees it, because otelhttp records nothing after
// a panic.
func (req *request) recovered(w http.ResponseWriter, told *http.Request) {
	p := recover()
	route := req.t.routes.of(req.inner.Pattern) // after the mux has routed
	span := trace.SpanFromContext(req.inner.Context())
	if route.path != "" && span.IsRecording() {
		span.SetAttributes(route.attribute...)
	}
	req.hand(span, told)
	if p != nil {
		req.panicked(w, p, route)
	}
	exited := p == nil && !req.back // by runtime.Goexit; then net/http cuts the connection
	req.cut = req.cut || exited
	if !req.taken {
		req.failure = req.outcome(exited || p != nil && p != http.ErrAbortHandler)
	}
	if req.failure != complete && span.IsRecording() {
		span.SetAttributes(failureAttributes[req.failure])
	}
}

func (req *request) panicked(w http.ResponseWriter, p any, route *route) {
	if p != http.ErrAbortHandler {
		attrs := []slog.Attr{slog.String("route", route.path), slog.String("panic", guard.Recovered(p).Value)}
		stack := slog.String("stack", string(debug.Stack()))
		ctx := req.inner.Context()
		if failed := req.t.panics.Run(func() {
			req.t.Logger.LogAttrs(ctx, slog.LevelError, "a handler panicked", append(attrs, stack)...)
		}); failed != nil { // the log handler is not well, so nobody waits for it
			req.t.lines.Write(ctx, slog.LevelError, "a handler panicked", attrs...)
		}
	}
	sent := req.status.Load() != 0
	req.cut = sent || p == http.ErrAbortHandler
	if !sent {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// sent notes the first final status of the answer.
func (req *request) sent(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		req.status.CompareAndSwap(0, int32(status))
	}
}

// finish is the end of a request that has returned, after otelhttp has measured it.
func (req *request) finish() {
	req.body.tellLimit()
	req.end()
	if req.cut {
		panic(http.ErrAbortHandler)
	}
}

// end is the end of the request for the metrics: its handler has returned or hijacked the
// connection. Only the first call counts.
func (req *request) end() {
	if start, ok := req.t.inflight.leave(req); ok && req.inner != nil { // it is nil if a middleware has panicked
		req.t.duration.record(req, start)
	}
}
