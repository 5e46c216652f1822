package blackbox

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// traced is the context of a request whose trace is recorded. Its trace id begins with a byte.
func traced(ctx context.Context, id byte) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{id}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled}))
}

// TestExemplars: a record has the trace of the slowest request of each series, errors first. It leaves out
// requests without a trace, and old ones.
func TestExemplars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		requests, err := r.provider.Meter("test").Float64Histogram("requests", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1))
		if err != nil {
			t.Fatal(err)
		}
		record := func(id byte, took float64, attrs ...attribute.KeyValue) {
			ctx := t.Context()
			if id != 0 {
				ctx = traced(ctx, id)
			}
			requests.Record(ctx, took, metric.WithAttributes(attrs...))
		}
		route, failed := attribute.String("route", "/a \n/b"), attribute.String("error.type", "timeout")
		record(0xa1, 9, attribute.String("route", "/old"))
		r.wait(time.Hour)
		record(0xa2, .5, route, failed)
		record(0xa3, 2, route)
		record(0xa4, .25, route)
		record(0, 8, attribute.String("route", "/none"))
		r.fail(errSecret)
		r.wait(30 * time.Second)
		text := r.records(1)[0]
		_, section, _ := strings.Cut(text, "\n== exemplars: the largest of each series of histograms ==\n")
		section, _, _ = strings.Cut(section, "\n==")
		lines := strings.Split(section, "\n")
		if len(lines) != 4 || lines[0] != "requests" || lines[3] != "" ||
			!strings.HasPrefix(lines[1], "  0.5 s at ") || !strings.Contains(lines[1], ", trace a2000000000000000000000000000000, ") || !strings.Contains(lines[1], "error.type=timeout") ||
			!strings.HasPrefix(lines[2], "  2 s at ") || !strings.Contains(lines[2], ", trace a3000000000000000000000000000000, ") {
			t.Errorf("%q", section)
		}
		r.stop()
	})
}

// TestHungCollection: if a callback hangs, a record has no exemplars and takes a second longer. The callback
// is not called again while it hangs.
func TestHungCollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		release, asked := make(chan struct{}), 0
		_, err := r.provider.Meter("test").Int64ObservableGauge("hangs", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			asked++
			<-release
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		r.wait(5 * time.Second)
		r.fail(errSecret)
		r.wait(30 * time.Second)
		r.fail(nil)
		r.wait(2 * time.Minute)
		r.fail(errSecret)
		r.wait(30 * time.Second)
		texts := r.records(2)
		for n, want := range []string{"an earlier collection of the metrics has not returned", "collecting the metrics took more than 1s"} {
			if !strings.Contains(texts[n], want) {
				t.Errorf("record %d has no %q", n, want)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		close(release)
		r.stop()
	})
}
