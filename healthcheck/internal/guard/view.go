package guard

import (
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// View asks a view of others about an instrument, on the goroutine that creates it. A view that panics
// matches nothing. The stream's filter runs wherever somebody records. If it panics, it drops the
// attribute, because it was to keep something out.
func View(view sdkmetric.View, i sdkmetric.Instrument) (stream sdkmetric.Stream, matched bool) {
	if Inline(func() { stream, matched = view(i) }) != nil {
		return sdkmetric.Stream{}, false
	}
	if filter := stream.AttributeFilter; filter != nil {
		stream.AttributeFilter = func(kv attribute.KeyValue) (keep bool) {
			if Inline(func() { keep = filter(kv) }) != nil {
				return false
			}
			return keep
		}
	}
	return stream, matched
}
