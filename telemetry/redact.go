package telemetry

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// isSensitive reports whether an attribute of a span may contain a secret or identify a person: the
// texts of errors, URLs, addresses, users and headers. Instrumentation libraries put these on
// spans: an error's text contains the DSN, a path contains the token of a reset link. Types of
// errors, routes, codes and statements stay.
func isSensitive(key attribute.Key, kind trace.SpanKind) bool {
	if key == semconv.ServerAddressKey {
		return kind != trace.SpanKindServer // on a server's span it is the service's name
	}
	return sensitiveKeys[key] || slices.ContainsFunc(sensitivePrefixes, func(p string) bool { return strings.HasPrefix(string(key), p) })
}

// sensitiveKeys are keys of the semantic conventions, and of older libraries.
var sensitiveKeys = map[attribute.Key]bool{
	semconv.ExceptionMessageKey: true, semconv.ExceptionStacktraceKey: true, "error.message": true, semconv.URLFullKey: true,
	semconv.URLPathKey: true, semconv.URLQueryKey: true, "http.url": true, "http.target": true, semconv.UserAgentOriginalKey: true,
	"http.user_agent": true, semconv.ClientAddressKey: true, semconv.ClientPortKey: true, semconv.NetworkPeerAddressKey: true,
	semconv.NetworkPeerPortKey: true, semconv.NetworkLocalAddressKey: true, semconv.NetworkLocalPortKey: true,
	"http.client_ip": true, "http.host": true, "net.peer.ip": true, "net.peer.name": true, "net.peer.port": true,
	"net.sock.peer.addr": true, "net.sock.peer.port": true, "net.host.name": true, "net.host.ip": true, "net.host.port": true,
	"db.user": true, "db.connection_string": true, "pgx.query.parameters": true,
}

var sensitivePrefixes = []string{
	"http.request.header.", "http.response.header.", "rpc.request.metadata.", "rpc.response.metadata.",
	"db.query.parameter.", "db.operation.parameter.", "user.", "enduser.",
}
