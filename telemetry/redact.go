package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// isSensitive reports whether an attribute of a span may contain a secret or identify a person: texts of
// errors, URLs, addresses, users and headers. Instrumentation libraries put these on spans. For example,
// the text of an error may contain a DSN, and a path the token of a reset link. Types of errors, routes,
// codes and statements stay.
func isSensitive(key attribute.Key, kind trace.SpanKind) bool {
	if key == semconv.ServerAddressKey {
		return kind != trace.SpanKindServer // on a server's span it is the service's name
	}
	switch key { // of the semantic conventions, and of older libraries
	case semconv.ExceptionMessageKey, semconv.ExceptionStacktraceKey, "error.message", semconv.URLFullKey,
		semconv.URLPathKey, semconv.URLQueryKey, "http.url", "http.target", semconv.UserAgentOriginalKey,
		"http.user_agent", semconv.ClientAddressKey, semconv.ClientPortKey, semconv.NetworkPeerAddressKey,
		semconv.NetworkPeerPortKey, semconv.NetworkLocalAddressKey, semconv.NetworkLocalPortKey,
		"http.client_ip", "http.host", "net.peer.ip", "net.peer.name", "net.peer.port",
		"net.sock.peer.addr", "net.sock.peer.port", "net.host.name", "net.host.ip", "net.host.port",
		"db.user", "db.connection_string", "pgx.query.parameters":
		return true
	}
	return hasSensitivePrefix(string(key))
}

// hasSensitivePrefix looks at one letter of most keys, because every span pays for it.
func hasSensitivePrefix(key string) bool {
	if key == "" {
		return false
	}
	switch key[0] {
	case 'h':
		return strings.HasPrefix(key, "http.request.header.") || strings.HasPrefix(key, "http.response.header.")
	case 'r':
		return strings.HasPrefix(key, "rpc.request.metadata.") || strings.HasPrefix(key, "rpc.response.metadata.")
	case 'd':
		return strings.HasPrefix(key, "db.query.parameter.") || strings.HasPrefix(key, "db.operation.parameter.")
	}
	return strings.HasPrefix(key, "user.") || strings.HasPrefix(key, "enduser.")
}
