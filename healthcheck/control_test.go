package healthcheck

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// logged is a Logger that a test can read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

// twice is the time until a file was read twice.
const twice = 3 * time.Second

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBreakGlass: an override changes readiness, and it is shown, exported and logged. The check is
// still judged.
func TestBreakGlass(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overrides")
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		k := newKit(t, Config{OverrideFile: path, Checks: []Check{
			{Name: "database", Func: down, Interval: time.Second},
			{Name: "search", OnFail: WarnOnly, Func: down, Interval: time.Second},
			{Name: "note", OnFail: ShowOnly, Func: down, Interval: time.Second}}})
		k.Heartbeat("worker", time.Second).Begin()
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		k.start()
		wait(3500 * time.Millisecond)
		k.want("/health", 503, verdict.Fail)
		k.want("/ready", 503, verdict.Fail)

		for _, c := range []struct {
			text          string
			health, ready int
			status        verdict.State
		}{
			{"database=warn, worker=show", 200, 200, verdict.Warn},
			{"# all of it\n*=show\n", 200, 200, verdict.Pass},
			{"*=show\nsearch=not-ready", 200, 503, verdict.Fail},
			{"database=show,search=show,worker=not-ready,note=not-ready", 200, 503, verdict.Fail}, // an overridden heartbeat restarts nothing
			{"", 503, 503, verdict.Fail},
			{"database=warn,worker=warn", 200, 200, verdict.Warn},
		} {
			writeFile(t, path, c.text)
			wait(twice)
			if code, _ := k.get("/health"); code != c.health {
				t.Errorf("%q: /health %d, want %d", c.text, code, c.health)
			}
			k.want("/ready", c.ready, c.status)
			k.state("database", verdict.Fail) // it is still judged
		}
		if n := k.metric("health.check.override", conventions.CheckName.String("database"), conventions.CheckOverride.String("warn")); n != 1 {
			t.Errorf("health.check.override is %v", n)
		}
		_, body := k.get("/ready?verbose")
		if e := body["checks"].(map[string]any)["database"].([]any)[0].(map[string]any); e["override"] != "warn" || e["status"] != "fail" {
			t.Errorf("the body shows %v", e)
		}
		if out := log.take(); !strings.Contains(out, "overrides are in force") || !strings.Contains(out, "database:warn") {
			t.Errorf("log: %s", out)
		}

		// The valid pairs of an invalid file take effect. The mistakes are logged once, and can be corrected.
		writeFile(t, path, "database=warn, worker=warn\nsearch=maybe, other=restart")
		wait(5 * time.Second)
		k.want("/ready", 200, verdict.Warn)
		if out := log.take(); strings.Count(out, "stays in force") != 1 || !strings.Contains(out, "search=maybe") || !strings.Contains(out, "other=restart") {
			t.Errorf("log: %s", out)
		}

		// A name without a check is logged and has no effect.
		writeFile(t, path, "database=warn, worker=warn, nosuch=show")
		wait(namesGrace + twice)
		k.want("/ready", 200, verdict.Warn)
		if out := log.take(); strings.Count(out, "names=[nosuch]") != 1 || !strings.Contains(out, "source=OverrideFile") || strings.Contains(out, "stays in force") {
			t.Errorf("log: %s", out)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		wait(twice)
		k.want("/ready", 503, verdict.Fail)
	})
}

// TestOverrideOfLaterCheck: a check may be added after Start, so its override is no mistake. The log says
// where the override comes from.
func TestOverrideOfLaterCheck(t *testing.T) {
	t.Setenv("HEALTH_OVERRIDES", "cache=not-ready,typo=warn")
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		k := newKit(t, Config{})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		release := k.Hold("opening the cache")
		k.start()
		wait(15 * time.Second) // longer than usual, and still starting
		if _, err := k.Add(Check{Name: "cache", Func: down, OnFail: WarnOnly, FailureThreshold: 1}); err != nil {
			t.Fatal(err)
		}
		release()
		wait(2 * time.Second)
		k.want("/ready", 503, verdict.Fail)
		out := log.take()
		if !strings.Contains(out, "source=HEALTH_OVERRIDES") || strings.Contains(out, "names=[cache") || strings.Count(out, "names=[typo]") != 1 {
			t.Errorf("log: %s", out)
		}
	})
}

// TestNamesOfOverrides: a name has ten seconds to get a check while the process runs. Maintenance and a drain
// during the start don't end that time.
func TestNamesOfOverrides(t *testing.T) {
	t.Setenv("HEALTH_OVERRIDES", "cache=not-ready")
	path := filepath.Join(t.TempDir(), "overrides")
	begin := func(t *testing.T, held bool) (k *kit, log *logged, release func()) {
		log, k = &logged{}, newKit(t, Config{OverrideFile: path})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		release = func() {}
		if held {
			release = k.Hold("opening the cache")
		}
		return k.start(), log, release
	}
	add := func(k *kit) {
		if _, err := k.Add(Check{Name: "cache", Func: ok}); err != nil {
			t.Fatal(err)
		}
	}
	unknown := func(t *testing.T, log *logged, want int) {
		t.Helper()
		if out := log.take(); strings.Count(out, "overrides name unknown checks") != want {
			t.Errorf("want %d errors: %s", want, out)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		k, log, _ := begin(t, false)
		wait(3 * time.Second)
		add(k)
		wait(time.Minute)
		unknown(t, log, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		k, log, release := begin(t, true)
		lift, err := k.Maintain("upgrade", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		lift()
		add(k)
		release()
		wait(time.Minute)
		unknown(t, log, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		k, log, _ := begin(t, true)
		wait(time.Minute)
		k.Stop()
		wait(time.Second)
		unknown(t, log, 0)
	})
	synctest.Test(t, func(t *testing.T) { // the sources, and the end of the file's overrides
		k, log, _ := begin(t, false)
		add(k)
		writeFile(t, path, "# nothing yet")
		wait(twice)
		if out := log.take(); strings.Contains(out, "have ended") {
			t.Errorf("no override has ended: %s", out)
		}
		writeFile(t, path, "database=show")
		wait(twice)
		if out := log.take(); !strings.Contains(out, `source="HEALTH_OVERRIDES and OverrideFile"`) {
			t.Errorf("log: %s", out)
		}
		writeFile(t, path, "")
		wait(twice)
		if out := log.take(); !strings.Contains(out, "source=HEALTH_OVERRIDES\n") {
			t.Errorf("log: %s", out)
		}
	})
	t.Setenv("HEALTH_OVERRIDES", "")
	synctest.Test(t, func(t *testing.T) {
		_, log, _ := begin(t, false)
		writeFile(t, path, "# nothing yet")
		wait(twice)
		if out := log.take(); strings.Contains(out, "have ended") {
			t.Errorf("no override was in force: %s", out)
		}
		writeFile(t, path, "*=show")
		wait(twice)
		writeFile(t, path, "")
		wait(twice)
		if out := log.take(); strings.Count(out, "overrides have ended") != 1 {
			t.Errorf("log: %s", out)
		}
	})
}

// TestMaintenanceIsLogged: the log has the begin, each change and the end of maintenance, with its source. A
// process that starts in maintenance has no change of its readiness, so there is no other line.
func TestMaintenanceIsLogged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maintenance")
	synctest.Test(t, func(t *testing.T) {
		lines := func(log *logged) (all []string) {
			for line := range strings.Lines(log.take()) {
				if strings.Contains(line, "event.name=health.maintenance.changed") {
					all = append(all, line)
				}
			}
			return all
		}
		is := func(got []string, want ...string) {
			t.Helper()
			if len(got) != len(want) {
				t.Errorf("%d lines, want %d: %q", len(got), len(want), got)
				return
			}
			for n := range want {
				if !strings.Contains(got[n], want[n]) {
					t.Errorf("%q, want %q", got[n], want[n])
				}
			}
		}
		log := &logged{}
		until := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
		writeFile(t, path, `{"reason": "disks", "until": "`+until+`"}`)
		k := newKit(t, Config{MaintenanceFile: path})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		k.start()
		wait(2 * time.Second)
		is(lines(log), `reason=disks source=MaintenanceFile until=`)
		lift, err := k.Maintain("kernel", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		wait(2 * time.Second)
		is(lines(log), `source="MaintenanceFile and Maintain"`)
		wait(time.Minute)
		is(lines(log), `reason=kernel source=Maintain`)
		lift()
		wait(2 * time.Second)
		is(lines(log), "maintenance has ended")
		if _, err := k.Maintain("until the end", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		wait(2 * time.Second)
		is(lines(log), `reason="until the end"`)
		k.Stop() // the drain does not put it back into traffic
		wait(2 * time.Second)
		is(lines(log))
	})
}

// TestOverridesVariable: the variable counts from the start, and the file wins over it.
func TestOverridesVariable(t *testing.T) {
	t.Setenv("HEALTH_OVERRIDES", "database=warn,*=show")
	path := filepath.Join(t.TempDir(), "overrides")
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{OverrideFile: path, Checks: []Check{{Name: "database", Func: down}}})
		k.start()
		wait(time.Second)
		k.want("/ready", 200, verdict.Warn)
		writeFile(t, path, "database=not-ready")
		wait(twice)
		k.want("/ready", 503, verdict.Fail)
	})
}

// TestMaintenanceFile: the file puts the instance into maintenance until the end in the file. Changes of the file
// take effect.
func TestMaintenanceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maintenance")
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		k := newKit(t, Config{MaintenanceFile: path})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		k.start()
		ask := func(reason string, d time.Duration) {
			writeFile(t, path, `{"reason":"`+reason+`","until":"`+time.Now().Add(d).UTC().Format(time.RFC3339)+`"}`)
			wait(2200 * time.Millisecond) // so that tests and reads of the file have different instants
		}
		k.want("/ready", 200, verdict.Pass)
		ask("upgrade", 2*time.Minute)
		if body := k.want("/ready", 503, verdict.Fail); body["output"] != "maintenance: upgrade" || body["until"] == nil {
			t.Errorf("%v", body)
		}
		k.want("/health", 200, verdict.Pass)
		if n := k.metric("health.lifecycle.status", conventions.Lifecycle.String("maintenance")); n != 1 {
			t.Errorf("health.lifecycle.status is %v", n)
		}
		ask("longer", 5*time.Minute)
		if body := k.want("/ready", 503, verdict.Fail); body["output"] != "maintenance: longer" {
			t.Errorf("%v", body)
		}
		writeFile(t, path, `{"reason":"x","until":"tomorrow"}`)
		wait(twice)
		k.want("/ready", 503, verdict.Fail) // the last valid content
		if out := log.take(); !strings.Contains(out, "until") {
			t.Errorf("log: %s", out)
		}
		wait(5 * time.Minute)
		k.want("/ready", 200, verdict.Pass) // it has ended by itself
		ask("again", time.Minute)
		k.want("/ready", 503, verdict.Fail)
		writeFile(t, path, "")
		wait(twice)
		k.want("/ready", 200, verdict.Pass)
		ask("long ago", -time.Minute)
		k.want("/ready", 200, verdict.Pass)

		// A maintenance whose end was too far ahead must not begin later without a change of the file.
		log.take()
		ask("too long", 25*time.Hour)
		wait(2 * time.Hour)
		k.want("/ready", 200, verdict.Pass)
		writeFile(t, path, `{"reason":"x","until":"2999-01-01T00:00:00Z"} {"reason":"y"}`)
		wait(twice)
		k.want("/ready", 200, verdict.Pass)
		if out := log.take(); strings.Count(out, "stays in force") != 2 || !strings.Contains(out, "24h") || !strings.Contains(out, "there is more") {
			t.Errorf("log: %s", out)
		}
	})
}

// TestMaintenanceRestartsNothing: during maintenance an operator may stop workers, or start a
// process that is not complete.
func TestMaintenanceRestartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Config{})
		k.Heartbeat("worker", 5*time.Second).Begin()
		lift, err := k.Maintain("debugging", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		release := k.Hold("warm-up")
		k.start()
		wait(time.Minute)
		k.want("/health", 200, verdict.Pass)
		k.want("/startup", 200, verdict.Pass)
		k.want("/ready", 503, verdict.Fail)
		lift()
		wait(50 * time.Millisecond)
		k.want("/startup", 503, verdict.Fail)
		release()
		wait(50 * time.Millisecond)
		k.want("/health", 503, verdict.Fail)
	})
}

// TestBadFilesAtStart: the process starts although a variable or file is invalid. That is logged, and the valid
// parts take effect.
func TestBadFilesAtStart(t *testing.T) {
	dir := t.TempDir()
	overrides, maintenance := filepath.Join(dir, "overrides"), filepath.Join(dir, "maintenance")
	writeFile(t, overrides, "a=maybe, b=show")
	t.Setenv("HEALTH_OVERRIDES", "a=fail, c=show") // an old name
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for text, want := range map[string]struct {
		said        string
		maintenance bool
	}{
		`{"reason":"x","until":"tomorrow"}`:                     {"until", false},
		`{"reason":"","until":"2999-01-01T00:00:00Z"}`:          {"reason", false},
		`{"reason":"x","until":"2999-01-01T00:00:00Z"}`:         {"24h", false},
		`{"reason":"x","till":"2999-01-01T00:00:00Z"}`:          {"until", false},
		`{"reason":"x","by":"somebody","until":"` + soon + `"}`: {"by", true},
		`reason: x`: {"JSON", false},
		strings.Repeat(" ", 64<<10) + `{"reason":"too big"`: {"larger", false},
	} {
		writeFile(t, maintenance, text)
		log := &logged{}
		k := newKit(t, Config{OverrideFile: overrides, MaintenanceFile: maintenance,
			Checks: []Check{{Name: "a", Func: ok}, {Name: "b", Func: down}, {Name: "c", Func: down}}})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		k.start()
		v := k.evaluate()
		if in := v.Phase == "maintenance"; in != want.maintenance {
			t.Errorf("%.60s: maintenance is %v", text, in)
		}
		if !k.result("b").Overridden || !k.result("c").Overridden || k.result("a").Overridden {
			t.Errorf("overridden: %v", v.Results)
		}
		out := log.take()
		for _, want := range []string{"HEALTH_OVERRIDES is invalid", `a=fail`, "OverrideFile: ", `a=maybe`, "MaintenanceFile: ", want.said} {
			if strings.Count(out, want) == 0 {
				t.Errorf("%.60s: the log does not say %q: %s", text, want, out)
			}
		}
		k.Stop()
	}
}

// traced is a handler that keeps the trace of every record.
type traced struct {
	slog.Handler
	of map[string]trace.SpanContext // by event.name
}

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	for a := range r.Attrs {
		if a.Key == "event.name" {
			h.of[a.Value.String()] = trace.SpanContextFromContext(ctx)
		}
	}
	return nil
}

// TestEventsAreTraced: a change is in the trace of the run that caused it.
func TestEventsAreTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := map[string]trace.SpanContext{}
		var down atomic.Bool
		k := newKit(t, ofChecks(Check{Name: "database", Interval: time.Second, FailureThreshold: 1, Func: func(context.Context) error {
			if down.Load() {
				return errDown
			}
			return nil
		}}))
		record := tracetest.NewSpanRecorder()
		k.pipeline.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(record))
		k.pipeline.Logger = slog.New(traced{slog.NewTextHandler(io.Discard, nil), events})
		k.start()
		wait(3 * time.Second)
		synctest.Wait()
		clear(events)
		down.Store(true)
		wait(1500 * time.Millisecond)
		synctest.Wait()
		var cause trace.SpanContext
		for _, s := range record.Ended() {
			if s.Status().Code == codes.Error {
				cause = s.SpanContext()
				break
			}
		}
		for _, name := range []string{"health.check.state_changed", "health.probe.state_changed"} {
			if got := events[name]; !cause.IsValid() || got.SpanID() != cause.SpanID() {
				t.Errorf("%s is of span %v, want %v", name, got.SpanID(), cause.SpanID())
			}
		}
	})
}

// TestFirstPass: if a start goes well, the log has one line.
func TestFirstPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		var down atomic.Bool
		k := newKit(t, ofChecks(Check{Name: "database", Interval: time.Second, FailureThreshold: 1, Func: func(context.Context) error {
			if down.Load() {
				return errDown
			}
			return nil
		}}))
		k.pipeline.Logger = slog.New(slog.NewJSONHandler(log, nil))
		k.start()
		wait(3 * time.Second)
		if out := log.take(); strings.Count(out, "\n") != 1 || !strings.Contains(out, `"health.probe.state":"pass"`) {
			t.Errorf("log: %s", out)
		}
		for _, state := range []string{"fail", "pass"} {
			down.Store(state == "fail")
			wait(3 * time.Second)
			if out := log.take(); !strings.Contains(out, `"health.check.state":"`+state+`"`) {
				t.Errorf("log: %s, want that the check's state is %s", out, state)
			}
		}
	})
}

// TestEvents: every change makes one record, and nothing else does.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		k := newKit(t, ofChecks(Check{Name: "database", Func: down}))
		k.pipeline.Logger = slog.New(slog.NewJSONHandler(log, nil))
		k.start()
		wait(time.Second)
		out := log.take()
		if n := strings.Count(out, `"event.name":"health.check.state_changed"`); n != 1 {
			t.Errorf("%d events of the check: %s", n, out)
		}
		if strings.Contains(out, "hunter2") {
			t.Errorf("the text of an error is in the log: %s", out)
		}
		k.beginDrain()
		wait(time.Second)
		if out := log.take(); out != "" { // it has not changed: it is failing
			t.Errorf("log: %s", out)
		}
	})
}
