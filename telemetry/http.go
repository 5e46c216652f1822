package telemetry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/felixge/httpsnoop"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const requestDuration = "http.server.request.duration"

// ownViews limit the series that a client can make. otelhttp takes server.address and server.port
// from the Host header, so 2000 made-up hosts would fill the instrument for good.
var ownViews = []sdkmetric.View{
	sdkmetric.NewView(sdkmetric.Instrument{Name: requestDuration}, sdkmetric.Stream{
		AttributeFilter: attribute.NewAllowKeysFilter(
			semconv.HTTPRequestMethodKey, semconv.HTTPRouteKey, semconv.HTTPResponseStatusCodeKey, semconv.URLSchemeKey),
		ExemplarReservoirProviderSelector: bareExemplars,
	}),
	sdkmetric.NewView(sdkmetric.Instrument{Name: "http.server.request.body.size"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
	sdkmetric.NewView(sdkmetric.Instrument{Name: "http.server.response.body.size"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
}

// Instrument records a span and http.server.request.duration for every request to next. While a
// request is in flight it is in http.server.active_requests and http.server.oldest_request.age.
// next is usually an [http.ServeMux], and its patterns become http.route. For another router, set
// r.Pattern, as in the examples.
//
// A panic of next is recorded and answered as a 500. If a part of the answer was sent already, the
// connection is cut. Mount probes and /metrics outside of it, as in
// health.Wrap(tel.Instrument(mux)). Mount requests outside too if they stay open for long, such as
// event streams, because otherwise they are the oldest request.
func (t *Telemetry) Instrument(next http.Handler) http.Handler {
	measured := otelhttp.NewMiddleware("",
		otelhttp.WithMeterProvider(t.MeterProvider), otelhttp.WithTracerProvider(t.TracerProvider), otelhttp.WithPropagators(t.propagator),
		otelhttp.WithServerName(t.service), // otherwise server.address is the client's Host header
	)(t.recoverer(next))
	measured = t.inflight.handler(measured)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var cut bool
		measured.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), cutKey{}, &cut)))
		if cut {
			panic(http.ErrAbortHandler) // shows the client that the answer is incomplete
		}
	})
}

// cutKey is the context key of a flag. By the flag the recoverer asks to cut the connection after
// otelhttp has measured.
type cutKey struct{}

// recoverer turns a panic into a 500 before otelhttp sees it, because otelhttp records no metric
// after a panic.
func (t *Telemetry) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := false
		w = httpsnoop.Wrap(w, httpsnoop.Hooks{
			WriteHeader: func(f httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
				return func(code int) { sent = sent || code >= 200; f(code) }
			},
			Write: func(f httpsnoop.WriteFunc) httpsnoop.WriteFunc {
				return func(b []byte) (int, error) { sent = true; return f(b) }
			},
			ReadFrom: func(f httpsnoop.ReadFromFunc) httpsnoop.ReadFromFunc {
				return func(src io.Reader) (int64, error) { sent = true; return f(src) }
			},
			Flush: func(f httpsnoop.FlushFunc) httpsnoop.FlushFunc { return func() { sent = true; f() } },
			FlushError: func(f httpsnoop.FlushErrorFunc) httpsnoop.FlushErrorFunc {
				return func() error { sent = true; return f() }
			},
		})
		defer func() {
			p := recover()
			_, path, _ := strings.Cut(r.Pattern, "/")
			if r.Pattern != "" { // after the mux has routed, and otelhttp has set the span's attributes
				trace.SpanFromContext(r.Context()).SetAttributes(semconv.HTTPRoute("/" + path))
			}
			if p == nil {
				return
			}
			if p != http.ErrAbortHandler {
				t.Logger.ErrorContext(r.Context(), "a handler panicked", "route", "/"+path, "panic", panicText(p), "stack", string(debug.Stack()))
			}
			if sent || p == http.ErrAbortHandler {
				if cut, ok := r.Context().Value(cutKey{}).(*bool); ok {
					*cut = true
				}
			}
			if !sent {
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r) // the same request, because the mux writes its pattern into it
	})
}

// panicText is the part of a recovered panic that may be logged: the text of the runtime's own
// errors, or the type of others, because their text often contains a password.
func panicText(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}
