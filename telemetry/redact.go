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

// redactor exports spans without attributes that may contain a secret or identify a person: the
// texts of errors, URLs, addresses, users and headers. Instrumentation libraries put these on
// spans: an error's text contains the DSN, a path contains the token of a reset link. Types of
// errors, routes, codes and statements stay.
type redactor struct{ sdktrace.SpanExporter }

func (r redactor) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	bare, all := make([]sdktrace.ReadOnlySpan, len(spans)), make([]redacted, len(spans)) // not one allocation for each
	for n, s := range spans {
		all[n] = redacted{s}
		bare[n] = &all[n]
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
	sensitive := func(kv attribute.KeyValue) bool {
		return kv.Key == semconv.ServerAddressKey && kind != trace.SpanKindServer || // on a server's span it is the service's name
			slices.Contains(sensitiveKeys, kv.Key) ||
			slices.ContainsFunc(sensitivePrefixes, func(p string) bool { return strings.HasPrefix(string(kv.Key), p) })
	}
	if !slices.ContainsFunc(attrs, sensitive) {
		return attrs
	}
	return slices.DeleteFunc(slices.Clone(attrs), sensitive)
}

// sensitiveKeys are keys of the semantic conventions, and of older libraries.
var sensitiveKeys = []attribute.Key{
	semconv.ExceptionMessageKey, semconv.ExceptionStacktraceKey, "error.message",
	semconv.URLFullKey, semconv.URLPathKey, semconv.URLQueryKey, "http.url", "http.target",
	semconv.UserAgentOriginalKey, "http.user_agent",
	semconv.ClientAddressKey, semconv.ClientPortKey, semconv.NetworkPeerAddressKey, semconv.NetworkPeerPortKey,
	semconv.NetworkLocalAddressKey, semconv.NetworkLocalPortKey,
	"http.client_ip", "http.host", "net.peer.ip", "net.peer.name", "net.peer.port", "net.sock.peer.addr", "net.sock.peer.port",
	"net.host.name", "net.host.ip", "net.host.port",
	"db.user", "db.connection_string", "pgx.query.parameters",
}

var sensitivePrefixes = []string{
	"http.request.header.", "http.response.header.", "rpc.request.metadata.", "rpc.response.metadata.",
	"db.query.parameter.", "db.operation.parameter.", "user.", "enduser.",
}
