package telemetry

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// redactor exports spans without what may hold a secret or tell of a person: the
// texts of errors, URLs, addresses, users and headers. What instrumentation
// libraries put on a span is not ours to trust: an error's text has the DSN in it,
// a path the token of a reset link. Types of errors, routes, codes and statements
// stay.
type redactor struct{ sdktrace.SpanExporter }

func (r redactor) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	bare := make([]sdktrace.ReadOnlySpan, len(spans))
	for n, s := range spans {
		bare[n] = redacted{s}
	}
	return r.SpanExporter.ExportSpans(ctx, bare)
}

type redacted struct{ sdktrace.ReadOnlySpan }

func (s redacted) Attributes() []attribute.KeyValue {
	return redact(s.ReadOnlySpan.Attributes(), s.SpanKind())
}

func (s redacted) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code} // its description is an error's text
}

func (s redacted) Events() []sdktrace.Event {
	events := slices.Clone(s.ReadOnlySpan.Events())
	for n := range events {
		events[n].Attributes = redact(events[n].Attributes, s.SpanKind())
	}
	return events
}

func redact(attrs []attribute.KeyValue, kind trace.SpanKind) []attribute.KeyValue {
	telling := func(kv attribute.KeyValue) bool {
		return kv.Key == semconv.ServerAddressKey && kind != trace.SpanKindServer || // a server's is the service's name
			slices.Contains(tellingKeys, kv.Key) ||
			slices.ContainsFunc(tellingPrefixes, func(p string) bool { return strings.HasPrefix(string(kv.Key), p) })
	}
	if !slices.ContainsFunc(attrs, telling) {
		return attrs
	}
	return slices.DeleteFunc(slices.Clone(attrs), telling)
}

// tellingKeys are of the semantic conventions, and what older libraries write.
var tellingKeys = []attribute.Key{
	semconv.ExceptionMessageKey, semconv.ExceptionStacktraceKey, "error.message",
	semconv.URLFullKey, semconv.URLPathKey, semconv.URLQueryKey, "http.url", "http.target",
	semconv.UserAgentOriginalKey, "http.user_agent",
	semconv.ClientAddressKey, semconv.ClientPortKey, semconv.NetworkPeerAddressKey, semconv.NetworkPeerPortKey,
	semconv.NetworkLocalAddressKey, semconv.NetworkLocalPortKey,
	"http.client_ip", "http.host", "net.peer.ip", "net.peer.name", "net.peer.port", "net.sock.peer.addr", "net.sock.peer.port",
	"net.host.name", "net.host.ip", "net.host.port",
	"db.user", "db.connection_string", "pgx.query.parameters",
}

var tellingPrefixes = []string{
	"http.request.header.", "http.response.header.", "rpc.request.metadata.", "rpc.response.metadata.",
	"db.query.parameter.", "db.operation.parameter.", "user.", "enduser.",
}
