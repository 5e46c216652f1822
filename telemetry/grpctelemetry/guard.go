package grpctelemetry

import (
	"fmt"
	"sync"

	"go.opentelemetry.io/otel"
)

// guard runs code of the user: propagators, samplers, span processors, filters of views. gRPC calls us on the
// goroutine of a call and recovers nothing, so a panic of that code would end the process. This is not
// internal/guard, because that would bring all dependencies of telemetry.
type guard struct{ told sync.Once }

// inline runs f. After a panic the span or the measurement is missing. Only the first panic is reported,
// without its text.
func (g *guard) inline(f func()) {
	defer func() {
		if p := recover(); p != nil {
			g.told.Do(func() { otel.Handle(fmt.Errorf("grpctelemetry: a call has no span or no duration: panic of %T", p)) })
		}
	}()
	f()
}
