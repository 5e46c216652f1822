package blackbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// password is in an error and must not be in the termination message.
const password = "pa55word"

// rig is a Monitor with a worker and a check, and a Box.
type rig struct {
	*testing.T
	health *healthcheck.Monitor
	worker *Worker
	err    atomic.Pointer[error] // of the check
	box    *Box
	dir    string
	file   string // termination message
	log    safeBuffer
	reader *sdkmetric.ManualReader
	end    context.CancelFunc
}

// safeBuffer is read while a log is written.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// fail makes the check fail with an error, or pass with nil.
func (r *rig) fail(err error) {
	if err == nil {
		r.err.Store(nil)
		return
	}
	r.err.Store(&err)
}

var errSecret = errors.New("user:" + password + "@db")

func start(t *testing.T, dir string) *rig { return startWith(t, dir, nil) }

func startWith(t *testing.T, dir string, err error) *rig {
	r := &rig{T: t, dir: dir, file: filepath.Join(dir, "message"), reader: sdkmetric.NewManualReader()}
	r.fail(err)
	if err := os.WriteFile(r.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.health = healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Func: func(context.Context) error {
		if err := r.err.Load(); err != nil {
			return *err
		}
		return nil
	}}}})
	r.worker = NewWorker(r.health, "jobs", time.Minute)
	if err := r.health.StartWith(t.Context(), healthcheck.Pipeline{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	r.end = end
	r.box, err = New(ctx, r.health, Options{
		Dir: dir, TerminationLog: r.file, Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) stop() {
	r.box.Close()
	r.health.Stop()
}

func (r *rig) message() string {
	text, err := os.ReadFile(r.file)
	if err != nil {
		r.Error(err)
	}
	return string(text)
}

func (r *rig) records(n int) (texts []string) {
	r.Helper()
	all, err := r.box.Records()
	if err != nil || len(all) != n {
		r.Fatalf("%d records, want %d: %v, %v", len(all), n, all, err)
	}
	for _, rec := range all {
		text, err := r.box.dir.read(rec.Name)
		if err != nil {
			r.Error(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

func stuckHere(release chan struct{}) func(context.Context) {
	return func(context.Context) { <-release }
}

// TestStuckWorker: the record and the termination message name the worker and its function, from the
// failure to the end, and the next process tells of it once.
func TestStuckWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := start(t, dir)
		release := make(chan struct{})
		go r.worker.Do(t.Context(), stuckHere(release))
		r.wait(70 * time.Second)
		text := r.records(1)[0] // readiness fails with liveness: one record
		for _, want := range []string{"liveness fail since ", "jobs: no beat for", "\n  jobs: blackbox.", "(chan receive)", "== the last ten minutes ==\njobs\n", "pid ", "\n== end ==\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("the record has no %q:\n%.2000s", want, text)
			}
		}
		if first := strings.SplitN(text, "\n", 4)[:2]; !strings.Contains(first[1], "stuckHere") {
			t.Errorf("the second line is %q", first[1])
		}
		if m := r.message(); !strings.Contains(m, "stuckHere") || len(m) > messageLimit {
			t.Errorf("the message is %q", m)
		}
		r.wait(10 * time.Minute)
		r.records(1)
		r.end() // SIGTERM
		r.wait(time.Second)
		if m := r.message(); !strings.Contains(m, "still so when the process ended, after 10m") {
			t.Errorf("the message at the end is %q", m)
		}
		r.stop()
		close(release)

		for _, want := range []int{1, 0} { // the next process, and the one after it
			r := start(t, dir)
			synctest.Wait() // the log has a goroutine
			if n := strings.Count(r.log.String(), "health.blackbox.found"); n != want {
				t.Errorf("told %d times, want %d: %s", n, want, r.log.String())
			}
			if rec, ok := r.box.Previous(); !ok || rec.Probe != "liveness" {
				t.Errorf("previous: %v", rec)
			}
			r.stop()
		}
	})
}

// TestRecovered: the termination message is empty again if liveness passes.
func TestRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		release := make(chan struct{})
		go r.worker.Do(t.Context(), stuckHere(release))
		r.wait(70 * time.Second)
		close(release)
		r.wait(5 * time.Second)
		if m := r.message(); m != "" || r.health.Verdict().Liveness.State != verdict.Pass {
			t.Errorf("the message is %q", m)
		}
		r.stop()
	})
}

// TestSecret: an error's text is in the record, and in nothing else.
func TestSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(20 * time.Second)
		r.fail(errSecret)
		go r.worker.Do(t.Context(), func(ctx context.Context) { <-ctx.Done() })
		r.wait(2 * time.Minute)
		texts := r.records(2) // readiness first, then liveness
		if !strings.Contains(texts[1], "readiness fail since ") || !strings.Contains(texts[1], password) {
			t.Errorf("the record is %.600s", texts[1])
		}
		if m := r.message(); m == "" || strings.Contains(m, password) || strings.Contains(r.log.String(), password) {
			t.Errorf("the message is %q; the log is %s", m, r.log.String())
		}
		info, err := os.Stat(filepath.Join(r.dir, mustRecords(t, r.box)[0].Name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		r.stop()
	})
}

// TestPlanned: what fails on purpose leaves no record.
func TestPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		lift, err := r.health.Maintain("upgrade", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		r.wait(time.Minute)
		lift()
		r.wait(time.Minute)
		r.health.Stop()
		r.wait(time.Minute)
		r.records(0)
		r.stop()
	})
}

// TestFlapping: a service that flaps for hours writes few records, and the first one stays.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		first := ""
		for n := range 3 * 30 {
			r.fail(errSecret)
			r.wait(time.Minute)
			if n == 0 {
				first = mustRecords(t, r.box)[0].Name
			}
			r.fail(nil)
			r.wait(time.Minute)
		}
		all := mustRecords(t, r.box)
		if len(all) > 10 || all[len(all)-1].Name != first {
			t.Errorf("%d records: %v; the first was %s", len(all), all, first)
		}
		if n := strings.Count(r.log.String(), "health.blackbox.written"); n > 8 {
			t.Errorf("%d records in three hours", n)
		}
		r.stop()
	})
}

// TestNoDirectory: a directory that can't be written is told once, and the message works.
func TestNoDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := start(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil { // nobody can make a directory there
			t.Fatal(err)
		}
		r.box.message.path = filepath.Join(filepath.Dir(dir), "message")
		if err := os.WriteFile(r.box.message.path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r.file = r.box.message.path
		release := make(chan struct{})
		for range 3 {
			go r.worker.Do(t.Context(), stuckHere(release))
			r.wait(10 * time.Minute)
			release <- struct{}{}
			r.wait(10 * time.Minute)
		}
		go r.worker.Do(t.Context(), stuckHere(release))
		r.wait(2 * time.Minute)
		if !strings.Contains(r.message(), "stuckHere") || strings.Count(r.log.String(), "blackbox: Dir") != 1 {
			t.Errorf("the message is %q; the log is %s", r.message(), r.log.String())
		}
		close(release)
		r.stop()
	})
}

// TestOptions: errors name the field.
func TestOptions(t *testing.T) {
	m := healthcheck.New(healthcheck.Config{})
	for want, o := range map[string]Options{"Dir": {}, "Keep": {Dir: t.TempDir(), Keep: -1}, "Monitor": {Dir: t.TempDir()}} {
		of := m
		if want == "Monitor" {
			of = nil
		}
		_, err := New(t.Context(), of, o)
		var fields []string
		for e := range cfgerrors.All(err) {
			fields = append(fields, e.Field)
		}
		if len(fields) != 1 || fields[0] != want {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// TestNeverReady: an instance that has never been ready writes a record after five minutes.
func TestNeverReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startWith(t, t.TempDir(), errSecret)
		r.wait(4 * time.Minute)
		r.records(0)
		r.wait(2 * time.Minute)
		if text := r.records(1)[0]; !strings.HasPrefix(text, "readiness fail since ") {
			t.Errorf("%.200s", text)
		}
		r.stop()
	})
}

// TestAfterMaintenance: a failure that began in maintenance, and lasts after it, has a record.
func TestAfterMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		lift, err := r.health.Maintain("upgrade", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		r.fail(errSecret)
		r.wait(5 * time.Minute)
		r.records(0)
		lift()
		r.wait(5 * time.Second)
		if text := r.records(1)[0]; !strings.Contains(text, ": database: ") {
			t.Errorf("%.200s", text)
		}
		r.stop()
	})
}

// TestSecondFailure: a failure soon after a record gets its own when the gap is over, or at the end.
func TestSecondFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		flap := func() {
			r.fail(nil)
			r.wait(20 * time.Second)
			r.fail(errSecret)
			r.wait(15 * time.Second)
		}
		flap()
		r.records(1)
		flap()
		r.records(1)
		r.wait(time.Minute)
		r.records(2)
		flap()
		r.records(2)
		r.end()
		r.wait(time.Second)
		r.records(3)
		r.stop()
	})
}

// TestForeign: a log handler that blocks for ever, a MeterProvider that panics and an error that never
// answers keep up nothing.
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
		if want := "the methods of"; !strings.Contains(text, "has not returned in time") {
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

// TestSlowClient: a client that reads nothing does not keep up a record.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		r.fail(errSecret)
		r.wait(30 * time.Second)
		read := make(chan struct{})
		var clients sync.WaitGroup
		for _, name := range []string{mustRecords(t, r.box)[0].Name, "now", ""} {
			clients.Go(func() {
				r.box.ServeHTTP(slowWriter{httptest.NewRecorder(), read}, httptest.NewRequest("GET", "/blackbox/"+name, nil))
			})
		}
		go r.worker.Do(t.Context(), func(ctx context.Context) { <-read })
		r.wait(2 * time.Minute)
		r.records(2)
		close(read)
		clients.Wait()
		r.stop()
	})
}

type slowWriter struct {
	*httptest.ResponseRecorder
	read chan struct{}
}

func (w slowWriter) Write(p []byte) (int, error) { <-w.read; return len(p), nil }

// TestInstrument: records are counted by probe, and those that can't be written by the class of the
// error.
func TestInstrument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		r.wait(5 * time.Second)
		r.fail(errSecret)
		r.wait(time.Minute)
		if err := os.Rename(r.dir, r.dir+"-gone"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		go r.worker.Do(t.Context(), func(ctx context.Context) { <-ctx.Done() })
		r.wait(2 * time.Minute)
		var rm metricdata.ResourceMetrics
		if err := r.reader.Collect(t.Context(), &rm); err != nil || len(rm.ScopeMetrics) != 1 {
			t.Fatal(rm, err)
		}
		m := rm.ScopeMetrics[0].Metrics[0]
		sum := m.Data.(metricdata.Sum[int64])
		got := map[string]int64{}
		keys := map[string]bool{}
		for _, p := range sum.DataPoints {
			probe, _ := p.Attributes.Value("health.probe.name")
			class, _ := p.Attributes.Value("error.type")
			got[probe.AsString()+" "+class.AsString()] = p.Value
			for _, kv := range p.Attributes.ToSlice() {
				keys[string(kv.Key)] = true
			}
		}
		if len(got) != 2 || got["readiness "] != 1 || got["liveness not_a_directory"] != 1 {
			t.Errorf("%v", got)
		}
		line := fmt.Sprintf("%s | counter | %s | %s | %s\n", m.Name, m.Unit, strings.Join(slices.Sorted(maps.Keys(keys)), " "), m.Description)
		if want, err := os.ReadFile("testdata/instruments.txt"); err != nil || line != string(want) {
			t.Errorf("testdata/instruments.txt differs (%v): %s", err, line)
		}
		r.stop()
	})
}

// TestHandler: it lists and shows records, and nothing else in the directory.
func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		get := func(method, path string) (int, string) {
			w := httptest.NewRecorder()
			r.box.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			return w.Code, w.Body.String()
		}
		if code, body := get("GET", "/blackbox/"); code != 200 || body != "no probe has failed\n" {
			t.Errorf("%d %q", code, body)
		}
		r.wait(5 * time.Second)
		r.fail(errSecret)
		r.wait(time.Minute)
		name := mustRecords(t, r.box)[0].Name
		if code, body := get("GET", "/blackbox/"); code != 200 || !strings.HasPrefix(body, name+" ") {
			t.Errorf("%d %q", code, body)
		}
		if code, body := get("GET", "/blackbox/"+name); code != 200 || !strings.HasPrefix(body, "readiness fail since ") {
			t.Errorf("%d %.200q", code, body)
		}
		if code, body := get("GET", "/blackbox/now"); code != 200 || !strings.HasPrefix(body, "readiness fail since ") || !strings.Contains(body, "\n== end ==\n") || len(mustRecords(t, r.box)) != 1 {
			t.Errorf("%d %.200q", code, body)
		}
		for _, path := range []string{"/message", "/..%2fmessage", "/" + strings.Replace(name, "readiness", "liveness", 1)} {
			if code, body := get("GET", path); code == 200 && !strings.HasPrefix(body, name+" ") {
				t.Errorf("%s: %d %.200q", path, code, body)
			}
		}
		if code, _ := get("POST", "/"); code != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", code)
		}
		r.stop()
	})
}

func mustRecords(t *testing.T, b *Box) []Record {
	t.Helper()
	all, err := b.Records()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
