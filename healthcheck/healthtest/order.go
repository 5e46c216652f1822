package healthtest

import (
	"context"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// A Monitor collects each second, judges when a collection has ended, and judges a second after
// its last judgement. In virtual time these fall on one instant, and chance says which comes
// first: a test could come out one second earlier or later. Here they come in this order:
const (
	collecting = 15 * time.Millisecond                      // a collection takes, past the judgement of checks that end with the second
	settle     = 30*time.Millisecond + 625*time.Microsecond // after the second, a test looks: no whole number of milliseconds, lest something happens then
	between    = 500 * time.Millisecond                     // after the second, one more judgement puts the next by time off until after the next collection
)

// reader has each collection take a while.
type reader struct{ *sdkmetric.ManualReader }

func (r reader) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	sleep(ctx, collecting)
	return r.ManualReader.Collect(ctx, rm)
}

// asker gives what asks for a judgement and changes nothing: the second release of a hold.
func asker(m *healthcheck.Monitor) (ask func()) {
	release := m.Hold("healthtest")
	release()
	return release
}

// judging asks for the judgements between the seconds until ctx is done.
func judging(ctx context.Context, ask func()) {
	for sleep(ctx, between); ctx.Err() == nil; sleep(ctx, time.Second) {
		ask()
	}
}

// sleep ends with ctx: time does not pass any more once f has returned.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
