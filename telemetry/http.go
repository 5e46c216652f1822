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

// ownViews keep a client from making series. Of what otelhttp records,
// server.address and server.port come from the Host header; 2000 made-up hosts
// would fill the instrument for good.
var ownViews = []sdkmetric.View{
	sdkmetric.NewView(sdkmetric.Instrument{Name: requestDuration}, sdkmetric.Stream{
		AttributeFilter: attribute.NewAllowKeysFilter(
			semconv.HTTPRequestMethodKey, semconv.HTTPRouteKey, semconv.HTTPResponseStatusCodeKey, semconv.URLSchemeKey),
		ExemplarReservoirProviderSelector: bareExemplars,
	}),
	sdkmetric.NewView(sdkmetric.Instrument{Name: "http.server.request.body.size"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
	sdkmetric.NewView(sdkmetric.Instrument{Name: "http.server.response.body.size"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
}

// Instrument records a span and http.server.request.duration for each request to
// next, and http.server.active_requests and http.server.oldest_request.age while
// it lasts. next is usually an [http.ServeMux], whose patterns become http.route;
// another router's do where r.Pattern is set to them, as in the examples.
//
// A panic of next is recorded as a 500 and answered with one; where part of an
// answer was sent already, the connection is cut. Probes and /metrics belong outside
// of it, as in health.Wrap(tel.Instrument(mux)); requests that are meant to stay open, such as
// event streams, too, or they are the oldest request for ever.
func (t *Telemetry) Instrument(next http.Handler) http.Handler {
	measured := otelhttp.NewMiddleware("",
		otelhttp.WithMeterProvider(t.MeterProvider), otelhttp.WithTracerProvider(t.TracerProvider), otelhttp.WithPropagators(t.propagator),
		otelhttp.WithServerName(t.service), // or server.address were the client's Host header
	)(t.recoverer(next))
	measured = t.inflight.handler(measured)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var cut bool
		measured.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), cutKey{}, &cut)))
		if cut {
			panic(http.ErrAbortHandler) // the client must see that the answer is not whole
		}
	})
}

// cutKey finds the flag by which the recoverer asks for the connection to be cut
// after otelhttp has measured.
type cutKey struct{}

// recoverer turns a panic into a 500 before otelhttp sees it: a panic that passed
// through otelhttp would leave no metric at all.
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
			if r.Pattern != "" { // the mux has routed only now; otelhttp has set the span's attributes
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
		next.ServeHTTP(w, r) // the same request: the mux writes its pattern into it
	})
}

// panicText is the part of a recovered panic that may be logged: the text of the runtime's own
// errors, the type of others. The text of another error often has a password in it.
func panicText(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}
