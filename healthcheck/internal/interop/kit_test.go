// Package interop tests healthcheck with other libraries: instrumentation and a validator of JSON
// Schema. The tests are in their own module, because users should not get these libraries with
// healthcheck.
package interop

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit is a Monitor on the real SDK, used from outside of its package. It needs a synctest bubble.
type kit struct {
	*healthcheck.Monitor
	t        *testing.T
	provider *sdkmetric.MeterProvider
	reader   *sdkmetric.ManualReader
	handler  http.Handler
	drain    context.CancelFunc
}

func newKit(t *testing.T, c healthcheck.Config) *kit {
	t.Helper()
	k := &kit{t: t, Monitor: healthcheck.New(c), reader: sdkmetric.NewManualReader()}
	res := resource.NewSchemaless( // the times of ejections depend on the instance
		attribute.String("service.name", "orders"), attribute.String("service.version", "1.4.2"), attribute.String("service.instance.id", "a"))
	k.provider = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(k.reader), sdkmetric.WithView(k.View()), sdkmetric.WithResource(res))
	k.handler = k.Wrap(nil)
	return k
}

func (k *kit) start() *kit {
	k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k.drain = cancel
	err := k.StartWith(ctx, healthcheck.Pipeline{Reader: k.reader, MeterProvider: k.provider,
		TracerProvider: noop.NewTracerProvider(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		cancel()
		k.Stop()
	})
	return k
}

// judged waits until the present values are collected and judged. Both happen every second, and a
// collection with new values is judged at once.
func judged() { time.Sleep(1100 * time.Millisecond) }

// want checks one check's state in the last verdict.
func (k *kit) want(name string, state verdict.State) verdict.Result {
	k.t.Helper()
	for _, r := range k.Verdict().Results {
		if r.Name == name {
			if r.State != state {
				k.t.Fatalf("%s is %s (%s, %s); want %s", name, r.State, r.Reason, valueOf(r), state)
			}
			return r
		}
	}
	k.t.Fatalf("there is no check %s", name)
	panic("unreachable")
}

func valueOf(r verdict.Result) string {
	if r.Value == nil {
		return "no value"
	}
	return fmt.Sprintf("value %v %s", *r.Value, r.Unit)
}
