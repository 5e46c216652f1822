package telemetry

import (
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	requestDuration  = "http.server.request.duration"
	requestBodySize  = "http.server.request.body.size"
	responseBodySize = "http.server.response.body.size"
)

// ownViews limit the series that a client can make. server.address and server.port come from the Host
// header, so 2000 invented hosts would reach the cardinality limit.
var ownViews = []sdkmetric.View{
	sdkmetric.NewView(sdkmetric.Instrument{Name: requestDuration}, sdkmetric.Stream{
		AttributeFilter: attribute.NewAllowKeysFilter(
			semconv.HTTPRequestMethodKey, semconv.HTTPRouteKey, semconv.HTTPResponseStatusCodeKey, semconv.URLSchemeKey, semconv.ErrorTypeKey),
		ExemplarReservoirProviderSelector: bareExemplars,
	}),
	sdkmetric.NewView(sdkmetric.Instrument{Name: requestBodySize}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
	sdkmetric.NewView(sdkmetric.Instrument{Name: responseBodySize}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}}),
}

// Instrument records a span and http.server.request.duration for every request to next. While a
// request is in flight it is in http.server.active_requests and http.server.oldest_request.age.
// next is usually an [http.ServeMux], and its patterns become http.route. For another router, set
// r.Pattern, as in the examples.
//
// A panic of next is recorded and answered as a 500. If a part of the answer was sent already, the
// connection is cut. If next calls runtime.Goexit, net/http always cuts the connection. If next
// hijacks the connection, as for a WebSocket, the request ends for the metrics at that moment. Its
// span ends when next returns.
//
// If the client has not got the whole answer, the duration and the span have error.type:
// client_disconnected, timeout or aborted. The status is the one that the client has seen. A client
// that disconnected before the header was sent has seen no status, so the request does not count as
// an error of the service. If a timeout or next cut the connection before the header, it is 500.
//
// Mount probes and /metrics outside of it, as in health.Wrap(tel.Instrument(mux)). Also mount outside
// what stays open for long, such as event streams. Otherwise these are always the oldest request.
func (t *Telemetry) Instrument(next http.Handler) http.Handler {
	in := &instrumented{
		t: t, next: next, propagator: shortcut(t.propagator),
		otelhttp: otelhttp.NewMiddleware("",
			otelhttp.WithMeterProvider(t.duration.others), otelhttp.WithTracerProvider(t.TracerProvider),
			otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()), // otelhttp does not get the headers
			otelhttp.WithSpanNameFormatter(t.routes.spanName),
			otelhttp.WithServerName(t.service)), // otherwise server.address is the client's Host header
	}
	return in
}

// instrumented is a handler of the user with everything around it.
type instrumented struct {
	t          *Telemetry
	next       http.Handler
	propagator propagation.TextMapPropagator
	otelhttp   func(http.Handler) http.Handler
}

func (in *instrumented) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &request{instrumented: in, server: w, outer: r, method: methodOf(r.Method), scheme: schemeOf(r)}
	in.t.inflight.enter(req)
	defer req.end() // also after runtime.Goexit in next
	ctx := in.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	in.otelhttp(req).ServeHTTP(lower{req}, req.tell(ctx))
	req.finish()
}
