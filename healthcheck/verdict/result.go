package verdict

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/effect"
)

// Result is what one check was judged to be.
type Result struct {
	Name   string
	Role   effect.Role
	State  State
	Since  time.Time // when State was entered
	Output string    // why; without the text of errors

	HasValue bool
	Value    float64 // of the indicator, in Unit; the duration of an active check's last run
	Unit     string

	Err  error             // of an active check's last run; its text may hold secrets
	Span trace.SpanContext // of that run; not valid without a TracerProvider

	// Override is the effect that an operator has put in place of the role's:
	// "fail", "warn", "off"; empty if none.
	Override string
}
