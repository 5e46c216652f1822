package telemetry

import (
	"context"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/propagation"
)

// w3c are the propagators of which Fields has all headers that they read. Other propagators differ: Fields of
// b3 has the headers that it writes.
var w3c = slices.Concat(propagation.TraceContext{}.Fields(), propagation.Baggage{}.Fields())

// shortcut returns a propagator that extracts nothing from a request without the headers of p.
func shortcut(p propagation.TextMapPropagator) propagation.TextMapPropagator {
	q := quick{TextMapPropagator: p}
	for _, f := range p.Fields() {
		if !slices.Contains(w3c, f) {
			return p
		}
		q.headers = append(q.headers, http.CanonicalHeaderKey(f))
	}
	if len(q.headers) == 0 {
		return p
	}
	return q
}

type quick struct {
	propagation.TextMapPropagator
	headers []string
}

func (q quick) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	if h, ok := c.(propagation.HeaderCarrier); ok && !slices.ContainsFunc(q.headers, func(k string) bool { return h[k] != nil }) {
		return ctx
	}
	return q.TextMapPropagator.Extract(ctx, c)
}
