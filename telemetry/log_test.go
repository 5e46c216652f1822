package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestErrorLogger: the same error is logged once a minute, with its count.
func TestErrorLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &syncBuffer{}
		c := &errorLogger{log: slog.New(slog.NewTextHandler(out, nil)), errors: map[string]*loggedError{}}
		want := func(when string, lines ...string) {
			t.Helper()
			got := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(got) != len(lines) {
				t.Fatalf("%s: %q", when, got)
			}
			for n, line := range lines {
				if !strings.HasSuffix(got[n], line) {
					t.Errorf("%s: line %d is %q, want …%q", when, n, got[n], line)
				}
			}
		}
		refused, full := errors.New("refused"), errors.New("full")
		for range 60 { // for 59 s
			c.Handle(fmt.Errorf("export: %w", refused))
			time.Sleep(time.Second)
		}
		first := `msg="OpenTelemetry: export: refused" times=1`
		want("within a minute", first)
		c.Handle(full)
		want("another", first, `msg="OpenTelemetry: full" times=1`)
		c.Handle(fmt.Errorf("export: %w", refused))
		want("after a minute", first, `msg="OpenTelemetry: full" times=1`, `msg="OpenTelemetry: export: refused" times=60`)
		time.Sleep(time.Hour)
		c.Handle(full)
		want("after an hour", first, `msg="OpenTelemetry: full" times=1`, `msg="OpenTelemetry: export: refused" times=60`, `msg="OpenTelemetry: full" times=1`)
	})
}

// TestErrorsOfSignals: one cause is one line for all signals.
func TestErrorsOfSignals(t *testing.T) {
	out := &syncBuffer{}
	c := &errorLogger{log: slog.New(slog.NewTextHandler(out, nil)), errors: map[string]*loggedError{}}
	cause := status.Error(codes.Unavailable, "certificate signed by unknown authority")
	for _, err := range []error{cause, fmt.Errorf("traces export: %w", cause), fmt.Errorf("failed to upload metrics: %w", errors.Join(context.DeadlineExceeded, cause))} {
		c.Handle(err)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 ||
		!strings.Contains(got, `msg="OpenTelemetry: export: rpc error: code = Unavailable desc = certificate signed by unknown authority" times=1`) {
		t.Error(got)
	}
}

// TestManyErrors: errors that differ by a number do not fill the log, and many different ones do
// not either. Each is counted.
func TestManyErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &syncBuffer{}
		c := &errorLogger{log: slog.New(slog.NewTextHandler(out, nil)), errors: map[string]*loggedError{}}
		for port := range 10_000 {
			c.Handle(fmt.Errorf("dial 127.0.0.1:%d", port))
		}
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Errorf("%d lines for one that differs by a number", n)
		}
		const turns, kinds = 60, 200
		for range turns {
			for n := range kinds {
				c.Handle(errors.New(strings.Repeat("x", n+1)))
			}
			time.Sleep(time.Second)
		}
		if n := strings.Count(out.String(), "\n"); n != maxLines {
			t.Errorf("%d lines in a minute", n)
		}
		if len(c.errors) > maxErrors {
			t.Errorf("%d errors are kept", len(c.errors))
		}
		time.Sleep(2 * errorPeriod)
		c.Handle(errors.New("at last"))
		counted := c.muted
		for _, s := range c.errors {
			counted += s.count
		}
		for _, line := range strings.Split(out.String(), "\n") {
			for _, word := range strings.Fields(line) {
				for _, key := range []string{"times=", "others="} {
					if text, ok := strings.CutPrefix(word, key); ok {
						n, err := strconv.Atoi(text)
						if err != nil {
							t.Fatal(err)
						}
						counted += n
					}
				}
			}
		}
		if want := 10_000 + turns*kinds + 1; counted != want {
			t.Errorf("%d are counted, want %d", counted, want)
		}
	})
}

// records is an exporter that keeps all records.
type records []sdklog.Record

func (r *records) Export(_ context.Context, batch []sdklog.Record) error {
	for _, one := range batch {
		*r = append(*r, one.Clone())
	}
	return nil
}
func (*records) Shutdown(context.Context) error   { return nil }
func (*records) ForceFlush(context.Context) error { return nil }

// TestEvents: a slog record with event.name is an event, in the trace of its context. Without
// event.name it is a log record.
func TestEvents(t *testing.T) {
	var got records
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(eventNames{sdklog.NewSimpleProcessor(&got)}))
	out := &syncBuffer{}
	logger := bridgeLogs(slog.NewTextHandler(out, nil), provider, bounds{value: logValueLimit, item: itemLimit})
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(t.Context(), span)

	logger.WarnContext(ctx, "it changed", "event.name", "health.probe.transition", "health.probe.name", "readiness", "n", 7)
	logger.With("event.name", "of.a.logger", "a", "b").InfoContext(ctx, "with")
	logger.InfoContext(ctx, "plain", "a", "b")
	logger.Info("no string", "event.name", 7)
	if len(got) != 4 {
		t.Fatalf("%d records", len(got))
	}
	for n, want := range []struct {
		event, body string
		severity    log.Severity
		span        trace.SpanContext
		attrs       []attribute.KeyValue
	}{
		{"health.probe.transition", "it changed", log.SeverityWarn, span, []attribute.KeyValue{attribute.String("health.probe.name", "readiness"), attribute.Int("n", 7)}},
		{"of.a.logger", "with", log.SeverityInfo, span, []attribute.KeyValue{attribute.String("a", "b")}},
		{"", "plain", log.SeverityInfo, span, []attribute.KeyValue{attribute.String("a", "b")}},
		{"", "no string", log.SeverityInfo, trace.SpanContext{}, []attribute.KeyValue{attribute.Int("event.name", 7)}},
	} {
		r := &got[n]
		if r.EventName() != want.event || r.Body().AsString() != want.body || r.Severity() != want.severity {
			t.Errorf("%d: event %q, body %v, severity %v", n, r.EventName(), r.Body(), r.Severity())
		}
		if r.TraceID() != want.span.TraceID() || r.SpanID() != want.span.SpanID() || r.TraceFlags() != want.span.TraceFlags() {
			t.Errorf("%d: trace %s, span %s", n, r.TraceID(), r.SpanID())
		}
		var attrs []attribute.KeyValue
		for kv := range r.WalkAttributes {
			attrs = append(attrs, kv)
		}
		set, wantSet := attribute.NewSet(attrs...), attribute.NewSet(want.attrs...)
		if !set.Equals(&wantSet) || len(attrs) != len(want.attrs) {
			t.Errorf("%d: attributes %v, want %v", n, attrs, want.attrs)
		}
	}
	if !strings.Contains(out.String(), "event.name=health.probe.transition") {
		t.Errorf("the local log lacks the event: %s", out)
	}
}

// TestLevel: the local handler's level counts for the export too, also behind With and WithGroup, if
// it changes, and if a handler around the logger's does not ask.
func TestLevel(t *testing.T) {
	var got records
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(&got)))
	var level slog.LevelVar
	out := &syncBuffer{}
	logger := bridgeLogs(slog.NewTextHandler(out, &slog.HandlerOptions{Level: &level}), provider, bounds{value: logValueLimit, item: itemLimit})
	all := func() {
		for _, l := range []*slog.Logger{logger, logger.With("a", "b"), logger.WithGroup("g")} {
			if enabled := l.Enabled(t.Context(), slog.LevelDebug); enabled != (level.Level() <= slog.LevelDebug) {
				t.Errorf("at %s, debug is enabled: %v", level.Level(), enabled)
			}
			l.Debug("password=hunter2", "c", "d")
			l.Info("info", "c", "d")
			l.Warn("warn", "c", "d")
			if err := l.Handler().Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelDebug, "unasked", 0)); err != nil {
				t.Error(err)
			}
		}
	}
	for _, c := range []struct {
		level slog.Level
		want  int
	}{{slog.LevelInfo, 6}, {slog.LevelError, 0}, {slog.LevelWarn, 3}, {slog.LevelDebug, 12}} {
		got, out.buf = nil, bytes.Buffer{}
		level.Set(c.level)
		all()
		if lines := strings.Count(out.String(), "\n"); len(got) != c.want || lines != c.want {
			t.Errorf("at %s: %d records are exported and %d lines are written, want %d", c.level, len(got), lines, c.want)
		}
	}
}
