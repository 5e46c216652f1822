package run

import (
	"context"
	"math"
	"strings"
	"sync/atomic"

	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

// An Observation is a number that a run of a check has seen.
type Observation struct {
	Value float64
	Unit  string
}

// observed is the context key of the place for a run's observation.
type observed struct{}

// maxUnit is the length of a unit in bytes.
const maxUnit = 32

// Observe keeps a number for the run of ctx. Without a run it does nothing. The last number counts.
func Observe(ctx context.Context, value float64, unit string) {
	into, ok := ctx.Value(observed{}).(*atomic.Pointer[Observation])
	if !ok || math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	into.Store(&Observation{value, text.Shorten(strings.ToValidUTF8(unit, "?"), maxUnit)})
}

// observing returns a context in which Observe keeps a number.
func observing(ctx context.Context) (context.Context, *atomic.Pointer[Observation]) {
	into := &atomic.Pointer[Observation]{}
	return context.WithValue(ctx, observed{}, into), into
}
