package promhealth

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// handlerFunc is a log handler.
type handlerFunc func(slog.Record) error

func (f handlerFunc) Handle(_ context.Context, r slog.Record) error { return f(r) }
func (f handlerFunc) Enabled(context.Context, slog.Level) bool      { return true }
func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f handlerFunc) WithGroup(string) slog.Handler                 { return f }

// rudeRegisterer panics from its second collector on. A judgement registers the second one, for queues.
type rudeRegisterer struct {
	prometheus.Registerer
	calls *atomic.Int64
}

func (r rudeRegisterer) Register(c prometheus.Collector) error {
	if r.calls.Add(1) > 1 {
		panic("hunter2")
	}
	return r.Registerer.Register(c)
}

// TestRudeRegisterer: if a registry panics when the queues are registered, only the queues are missing on
// /metrics, and the log says so.
func TestRudeRegisterer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lines := make(chan string, 100)
		m, reg, calls := healthcheck.New(healthcheck.Config{}), prometheus.NewRegistry(), &atomic.Int64{}
		log := slog.New(handlerFunc(func(r slog.Record) error {
			text := r.Message
			r.Attrs(func(a slog.Attr) bool { text += " " + a.Value.String(); return true })
			lines <- text
			return nil
		}))
		if err := StartWith(t.Context(), m, Join(rudeRegisterer{reg, calls}, reg), healthcheck.Pipeline{Logger: log}); err != nil {
			t.Fatal(err)
		}
		m.Queue("jobs", 10, func() int { return 7 })
		pass(3 * time.Second)
		m.Stop()
		close(lines)
		said := ""
		for line := range lines {
			said += line + "\n"
		}
		if calls.Load() != 2 || !strings.Contains(said, "queues of a Monitor are not on /metrics") || !strings.Contains(said, "panic of string") || strings.Contains(said, "hunter2") {
			t.Errorf("%d calls of Register; the log: %s", calls.Load(), said)
		}
	})
}

// TestBlockingLogHandler: Start does not wait for a log handler that blocks.
func TestBlockingLogHandler(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "${NAME}") // Start logs it
	bubble(t, func(t *testing.T) {
		open := make(chan struct{})
		m := healthcheck.New(healthcheck.Config{})
		began := time.Now()
		err := StartWith(t.Context(), m, prometheus.NewRegistry(), healthcheck.Pipeline{Logger: slog.New(handlerFunc(func(slog.Record) error { <-open; return nil }))})
		if took := time.Since(began); err != nil || took > time.Second {
			t.Errorf("Start took %v: %v", took, err)
		}
		m.Stop()
		close(open)
		pass(time.Second)
	})
}
