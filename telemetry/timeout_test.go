package telemetry

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestUnansweredIsNotRepeated: a batch that the collector may have taken is sent once, by gRPC and by HTTP. If the server
// itself answers that the deadline has passed, the export is retried.
func TestUnansweredIsNotRepeated(t *testing.T) {
	for _, c := range []struct {
		name  string
		fate  func(ctx context.Context, n int64) (int64, error)
		asked int64
		fails bool
	}{
		{"hangs", func(ctx context.Context, _ int64) (int64, error) { <-ctx.Done(); return 0, ctx.Err() }, 1, true},
		{"its own deadline", func(_ context.Context, n int64) (int64, error) {
			if n < 3 {
				return 0, status.Error(codes.DeadlineExceeded, "the backend is slow")
			}
			return 0, nil
		}, 3, false},
		{"refuses", func(context.Context, int64) (int64, error) { return 0, status.Error(codes.InvalidArgument, "no") }, 1, true},
	} {
		k := &counter{fate: c.fate}
		tel, log := start(t, Config{}, map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": k.serve(t), "OTEL_METRICS_EXPORTER": "none", "OTEL_BSP_SCHEDULE_DELAY": "3600000", "OTEL_BLRP_SCHEDULE_DELAY": "3600000",
		})
		record(t.Context(), tel)
		var flushes sync.WaitGroup
		for _, flush := range []func(context.Context) error{tel.traces.ForceFlush, tel.logs.ForceFlush} {
			flushes.Go(func() {
				if err := flush(t.Context()); (err != nil) != c.fails {
					t.Errorf("%s: %v", c.name, err)
				} else if c.name == "hangs" && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", c.name, err)
				}
			})
		}
		flushes.Wait()
		for _, n := range []int{1, 2} {
			if got := k.asked[n].Load(); got != c.asked {
				t.Errorf("%s: the collector was asked %d times, want %d; %s", c.name, got, c.asked, log)
			}
		}
	}
}

// TestTimeoutVariables: OTEL_EXPORTER_OTLP_TIMEOUT and those of a signal are the time of an export.
// Attempts may take all of it, and no shorter default of the batch processor cuts it.
func TestTimeoutVariables(t *testing.T) {
	for _, c := range []struct {
		env                    map[string]string
		export, attempt, batch time.Duration // of traces
	}{
		{nil, patience, attemptLimit, patience},
		{map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "60000"}, time.Minute, time.Minute, patience},
		{map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "300000"}, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute},
		{map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "3000"}, 3 * time.Second, attemptLimit, patience},
		{map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "3000", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "20000"}, 20 * time.Second, 20 * time.Second, patience},
		{map[string]string{"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "20000"}, patience, attemptLimit, patience},
		{map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "300000", "OTEL_BSP_EXPORT_TIMEOUT": "7000"}, 5 * time.Minute, 5 * time.Minute, 7 * time.Second},
		{map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, patience, attemptLimit, patience},
	} {
		t.Run(strings.Trim(strings.ReplaceAll(strings.Join(keys(c.env), " "), "OTEL_", ""), " "), func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			env := readEnvironment()
			s := env.traces
			if s.limit(patience) != c.export || s.attempt() != c.attempt || env.batchTimeout("OTEL_BSP_EXPORT_TIMEOUT", s) != c.batch {
				t.Errorf("export %v, attempt %v, batch %v; want %v, %v, %v", s.limit(patience), s.attempt(), env.batchTimeout("OTEL_BSP_EXPORT_TIMEOUT", s), c.export, c.attempt, c.batch)
			}
		})
	}
}

func keys(env map[string]string) (all []string) {
	for k, v := range env {
		all = append(all, k+"="+v)
	}
	return all
}

// TestLateAnswer: a collector that needs more than ten seconds is waited for if a variable allows it.
func TestLateAnswer(t *testing.T) {
	k := &counter{fate: func(ctx context.Context, _ int64) (int64, error) {
		select {
		case <-time.After(12 * time.Second):
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}}
	tel, log := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": k.serve(t), "OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TIMEOUT": "60000"})
	record(t.Context(), tel)
	var flushes sync.WaitGroup
	for _, flush := range []func(context.Context) error{tel.traces.ForceFlush, tel.logs.ForceFlush} {
		flushes.Go(func() {
			if err := flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	flushes.Wait()
	if k.asked[1].Load() != 1 || k.items[1].Load() != 1 || k.asked[2].Load() != 1 || k.items[2].Load() == 0 {
		t.Errorf("%d and %d requests: %s", k.asked[1].Load(), k.asked[2].Load(), log)
	}
}

// TestLongErrors: a collector's text of 1 MB is cut in the log and in the error of a flush, with a sign, and the rest is
// not kept in memory.
func TestLongErrors(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	k := &counter{}
	k.fate = func(context.Context, int64) (int64, error) { return 0, status.Error(codes.InvalidArgument, long) }
	tel, log := start(t, Config{}, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": k.serve(t), "OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TIMEOUT": "60000"})
	record(t.Context(), tel)
	err := tel.traces.ForceFlush(t.Context())
	if err == nil || len(err.Error()) > errorLimit || !strings.HasSuffix(err.Error(), cutSign) {
		t.Errorf("%.100v", err)
	}
	if err := tel.logs.ForceFlush(t.Context()); err == nil || len(err.Error()) > errorLimit {
		t.Errorf("%.100v", err)
	}
	for line := range strings.Lines(log.String()) {
		if len(line) > errorLimit+200 {
			t.Errorf("a line of %d bytes: %.100s", len(line), line)
		}
	}
	if !strings.Contains(log.String(), cutSign) {
		t.Errorf("%.500s", log)
	}
	kept := 0
	for text := range tel.errorLogger.errors {
		kept += len(text)
	}
	if kept > maxErrors*errorLimit {
		t.Errorf("%d bytes are kept", kept)
	}
}
