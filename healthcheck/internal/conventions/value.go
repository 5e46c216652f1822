package conventions

import (
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
)

// Text is an attribute's value as OpenTelemetry writes it outside of OTLP.
func Text(v attribute.Value) string {
	switch v.Type() { // the usual types without an allocation
	case attribute.STRING:
		return v.AsString()
	case attribute.INT64:
		return strconv.FormatInt(v.AsInt64(), 10)
	case attribute.BOOL:
		return strconv.FormatBool(v.AsBool())
	}
	switch v := any(v).(type) {
	case fmt.Stringer: // OpenTelemetry 1.44 and newer
		return v.String()
	case interface{ Emit() string }: // deprecated there
		return v.Emit()
	}
	return fmt.Sprint(v.AsInterface())
}
