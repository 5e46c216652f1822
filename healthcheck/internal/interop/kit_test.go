// Package interop tests healthcheck together with the libraries of others: their
// instrumentation, and a validator of JSON Schema. Users should not get these with healthcheck, so
// the tests are a module of their own.
package interop

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/otelhealth/otelhealth/healthcheck"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit is a Monitor on the real SDK, seen from outside of its package.
type kit struct {
	*healthcheck.Monitor
	t        *testing.T
	provider *sdkmetric.MeterProvider
	reader   *sdkmetric.ManualReader
	mux      *http.ServeMux
	drain    context.CancelFunc
}

func newKit(t *testing.T, checks ...healthcheck.Check) *kit {
	t.Helper()
	k := &kit{t: t, Monitor: &healthcheck.Monitor{
		Checks: checks, Logger: slog.New(slog.DiscardHandler), TracerProvider: noop.NewTracerProvider()}}
	k.reader = sdkmetric.NewManualReader()
	res := resource.NewSchemaless(attribute.String("service.name", "orders"), attribute.String("service.version", "1.4.2"))
	k.provider = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(k.reader), sdkmetric.WithView(k.View()), sdkmetric.WithResource(res))
	k.MeterProvider = k.provider
	k.mux = http.NewServeMux()
	k.Register(k.mux)
	return k
}

func (k *kit) start() *kit {
	k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k.drain = cancel
	if err := k.Start(ctx, k.reader); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		cancel()
		k.Stop()
	})
	return k
}

// want collects and judges now, and checks one check's state.
func (k *kit) want(name string, state healthcheck.State) healthcheck.Result {
	k.t.Helper()
	for _, c := range k.Evaluate(k.t.Context()).Checks {
		if c.Name == name {
			if c.State != state {
				k.t.Fatalf("%s is %s (%s, value %v %s); want %s", name, c.State, c.Output, c.Value, c.Unit, state)
			}
			return c
		}
	}
	k.t.Fatalf("there is no check %s", name)
	panic("unreachable")
}
