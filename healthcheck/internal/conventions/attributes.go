// Package conventions has the names that spans, metrics and log records share: attribute
// keys, the scope, and the bucket boundaries of OpenTelemetry's semantic conventions. It is
// data. The keys of OpenTelemetry are written out here, because each release of its Go
// package semconv needs a newer release of everything else.
package conventions

import "go.opentelemetry.io/otel/attribute"

// The attributes of health.*. Their values are bounded: never the text of an error, an address or a
// text of a client.
const (
	CheckName     = attribute.Key("health.check.name")
	CheckState    = attribute.Key("health.check.state")
	CheckRole     = attribute.Key("health.check.role")
	CheckOverride = attribute.Key("health.check.effect")
	LimitType     = attribute.Key("health.check.limit_type")
	ProbeName     = attribute.Key("health.probe.name")
	ProbeState    = attribute.Key("health.probe.state")
	Lifecycle     = attribute.Key("health.lifecycle.state")
	Heartbeat     = attribute.Key("health.heartbeat.name")
	File          = attribute.Key("health.file.name")
	PeerState     = attribute.Key("health.peers.state")
	PeerVote      = attribute.Key("health.peer.vote")
	Queue         = attribute.Key("queue.name")
)

// The attributes of OpenTelemetry's semantic conventions 1.43.
const (
	ErrorType         = attribute.Key("error.type")
	StatusCode        = attribute.Key("http.response.status_code")
	ServiceName       = attribute.Key("service.name")
	ServiceVersion    = attribute.Key("service.version")
	ServiceInstanceID = attribute.Key("service.instance.id")
)

// ErrorTypeOther is the error.type of errors after the first 16 classes.
const ErrorTypeOther = "_OTHER"

// Scope is the name of the meter and the tracer.
const (
	Scope     = "github.com/otelhealth/otelhealth/healthcheck"
	SchemaURL = "https://opentelemetry.io/schemas/1.43.0"
)
