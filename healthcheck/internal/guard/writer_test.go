package guard

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink is a log handler that calls a function of the test before it writes a line.
type sink struct {
	slog.Handler
	do func(slog.Record)
}

func (s sink) Handle(ctx context.Context, r slog.Record) error {
	s.do(r)
	return s.Handler.Handle(ctx, r)
}

// output is a buffer for any goroutine.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func lines(o *output) []string { return strings.Split(strings.TrimSpace(o.String()), "\n") }

// plain is a handler without times.
func plain(o *output) slog.Handler {
	return slog.NewTextHandler(o, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// TestWriter: a line of Logger is written when the call returns, in order, with its attributes.
func TestWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o output
		w := NewWriter(slog.New(plain(&o)))
		log := w.Logger().With("a", 1).WithGroup("g").With("b", 2)
		for range 3 {
			log.Info("x", "c", errors.New(strings.Repeat("y", 10<<20)))
			log.Debug("not of this level")
		}
		if got := lines(&o); len(got) != 3 || !strings.HasPrefix(got[0], "level=INFO msg=x a=1 g.b=2 g.c=yyy") || len(got[0]) > MaxText+50 || !strings.HasSuffix(got[0], "…") {
			t.Errorf("%d lines, the first of %d bytes: %.100s", len(got), len(got[0]), got[0])
		}
		if lost := w.End(); lost != 0 {
			t.Errorf("%d lines are lost", lost)
		}
	})
}

// TestWriterWaitsOnce: if a handler blocks, all callers together wait for Limit, and End does not wait. When the
// handler goes on, everything is written, with the number of dropped lines.
func TestWriterWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o output
		open := make(chan struct{})
		w := NewWriter(slog.New(sink{plain(&o), func(slog.Record) { <-open }}))
		began := time.Now()
		for range maxLines + 10 {
			w.Logger().Info("x")
		}
		lost := w.End()
		if took := time.Since(began); took != Limit || lost != maxLines+10 {
			t.Errorf("it took %v, and %d are lost", took, lost)
		}
		close(open)
		synctest.Wait()
		got := lines(&o)
		if len(got) != maxLines+1 || !strings.HasSuffix(got[1], `failed" lost=10`) {
			t.Errorf("%d lines: %q", len(got), got[:2])
		}
		if lost := w.End(); lost != 0 {
			t.Errorf("%d lines are lost", lost)
		}
	})
}

// TestSlowHandler: End waits for every line, and for a second in all.
func TestSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o output
		w := NewWriter(slog.New(sink{plain(&o), func(slog.Record) { time.Sleep(Limit / 2) }}))
		for range 30 {
			w.Write(t.Context(), slog.LevelInfo, "x")
		}
		began := time.Now()
		if lost := w.End(); lost != 10 && lost != 11 || time.Since(began) != time.Second {
			t.Errorf("%d are lost after %v", lost, time.Since(began))
		}
		time.Sleep(time.Minute)
		if got := lines(&o); len(got) != 30 {
			t.Errorf("%d lines", len(got))
		}
	})
}

// TestBadHandlers: a handler that fails in any way loses its own lines, which are counted, and
// nothing else. The lines after it are written.
func TestBadHandlers(t *testing.T) {
	for name, bad := range map[string]func(*Writer){
		"panics":       func(*Writer) { panic("x") },
		"exits":        func(*Writer) { runtime.Goexit() },
		"logs with us": func(w *Writer) { w.Logger().Info("again"); panic("x") },
		"ends":         func(w *Writer) { w.End(); panic("x") },
		"writes to us": func(w *Writer) { w.Write(context.Background(), slog.LevelInfo, "again"); panic("x") },
	} {
		synctest.Test(t, func(t *testing.T) {
			var o output
			var w *Writer
			w = NewWriter(slog.New(sink{plain(&o), func(r slog.Record) {
				if r.Message == "bad" {
					bad(w)
				}
			}}))
			w.Logger().Info("good")
			for range 3 {
				began := time.Now()
				w.Logger().Info("bad")
				if d := time.Since(began); d > Limit {
					t.Errorf("%s: it took %v", name, d)
				}
			}
			synctest.Wait()
			time.Sleep(10 * Limit)
			w.Logger().Info("good")
			w.End()
			got := o.String()
			if strings.Count(got, "msg=good") != 2 || strings.Contains(got, "msg=bad") || !strings.Contains(got, "lost=") {
				t.Errorf("%s: %s", name, got)
			}
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	log := NewWriter(slog.New(slog.DiscardHandler)).Logger()
	b.ReportAllocs()
	for b.Loop() {
		log.Info("message", "a", 1)
	}
}
