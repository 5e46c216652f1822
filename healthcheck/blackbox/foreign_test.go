package blackbox

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// TestForeign: a log handler that blocks for ever, a MeterProvider that panics and an error whose methods
// never return delay nothing.
func TestForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		r := start(t, t.TempDir())
		box, err := New(t.Context(), r.health, Options{Dir: filepath.Join(r.dir, "other"), TerminationLog: r.file, Logger: slog.New(blocked{forever}), MeterProvider: broken{}})
		if err != nil {
			t.Fatal(err)
		}
		r.wait(5 * time.Second)
		r.fail(blockedError{forever})
		r.wait(time.Minute)
		text := r.records(1)[0]
		if want := "has not returned in time"; !strings.Contains(text, want) {
			t.Errorf("the record has no %q:\n%.1500s", want, text)
		}
		if all := mustRecords(t, box); len(all) != 1 {
			t.Errorf("%v", all)
		}
		box.Close()
		r.stop()
		close(forever)
	})
}

type blocked struct{ forever chan struct{} }

func (b blocked) Enabled(context.Context, slog.Level) bool  { return true }
func (b blocked) Handle(context.Context, slog.Record) error { <-b.forever; return nil }
func (b blocked) WithAttrs([]slog.Attr) slog.Handler        { return b }
func (b blocked) WithGroup(string) slog.Handler             { return b }

type blockedError struct{ forever chan struct{} }

func (b blockedError) Error() string { <-b.forever; return "" }

type broken struct{ metric.MeterProvider }
