package run

import (
	"context"
	"math"
	"strings"
	"sync/atomic"

	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

// An Observation is a number that a run of a check has passed to Observe.
type Observation struct {
	Value float64
	Unit  string
}

// said is what the function of a check reports by its context.
type said struct {
	observed atomic.Pointer[Observation]
	alone    atomic.Bool
}

// saidKey is its context key.
type saidKey struct{}

// maxUnit is the length of a unit in bytes.
const maxUnit = 32

// Observe keeps a number for the run of ctx. Without a run it does nothing. The last number counts.
func Observe(ctx context.Context, value float64, unit string) {
	into, ok := ctx.Value(saidKey{}).(*said)
	if !ok || math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	into.observed.Store(&Observation{value, text.Shorten(strings.ToValidUTF8(unit, "?"), maxUnit)})
}

// Alone makes the run of ctx decide without the peers of its instance. Without a run it does nothing.
func Alone(ctx context.Context) {
	if into, ok := ctx.Value(saidKey{}).(*said); ok {
		into.alone.Store(true)
	}
}

// saying returns a context for Observe and Alone.
func saying(ctx context.Context) (context.Context, *said) {
	into := &said{}
	return context.WithValue(ctx, saidKey{}, into), into
}
