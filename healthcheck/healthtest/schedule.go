package healthtest

import (
	"context"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// A Monitor collects every second, judges after every collection, and judges a second after its
// last judgement. In virtual time all this happens at the same instant, in random order. A result could
// come one second earlier or later. These delays fix the order:
const (
	collecting = 15 * time.Millisecond                      // of a collection, so that it ends after the judgement of runs that end on the second
	settle     = 30*time.Millisecond + 625*time.Microsecond // from a full second until the test looks; not a whole millisecond, so that nothing else happens then
	between    = 500 * time.Millisecond                     // from a full second to an extra judgement; after it the next regular one comes after the next collection
)

// reader makes every collection take some time.
type reader struct{ *sdkmetric.ManualReader }

func (r reader) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	sleep(ctx, collecting)
	return r.ManualReader.Collect(ctx, rm)
}

// asker returns a function that asks for a judgement and changes nothing: the second release of a
// hold.
func asker(m *healthcheck.Monitor) (ask func()) {
	release := m.Hold("healthtest")
	release()
	return release
}

// judging asks for the extra judgements until ctx is done.
func judging(ctx context.Context, ask func()) {
	for sleep(ctx, between); ctx.Err() == nil; sleep(ctx, time.Second) {
		ask()
	}
}

// sleep ends with ctx, because no time passes after f has returned.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
