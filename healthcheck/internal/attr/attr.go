// Package attr has the attribute keys and the scope of the instruments, so that spans, metrics
// and the log have one word for one thing. It is data.
package attr

import "go.opentelemetry.io/otel/attribute"

// The attributes of this package's instruments. Names and values are bounded:
// never an error's text, an address or what a user sent.
const (
	CheckName   = attribute.Key("health.check.name")
	CheckState  = attribute.Key("health.check.state")
	CheckRole   = attribute.Key("health.check.role")
	CheckEffect = attribute.Key("health.check.effect")
	LimitType   = attribute.Key("health.check.limit_type")
	ProbeName   = attribute.Key("health.probe.name")
	ProbeState  = attribute.Key("health.probe.state")
	Lifecycle   = attribute.Key("health.lifecycle.state")
	Heartbeat   = attribute.Key("health.heartbeat.name")
	Queue       = attribute.Key("queue.name")
)

const Scope = "github.com/otelhealth/otelhealth/healthcheck"
