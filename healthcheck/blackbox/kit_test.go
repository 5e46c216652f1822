package blackbox

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// password is in an error and must not be in the termination message.
const password = "pa55word"

// rig is a Monitor with a worker and a check, and a Box.
type rig struct {
	*testing.T
	health   *healthcheck.Monitor
	worker   *Worker
	err      atomic.Pointer[error] // of the check
	box      *Box
	dir      string
	file     string // termination message
	log      safeBuffer
	reader   *sdkmetric.ManualReader
	provider *sdkmetric.MeterProvider
	end      context.CancelFunc
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
	r.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader))
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
		MeterProvider: r.provider, Reader: r.reader,
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

func mustRecords(t *testing.T, b *Box) []Record {
	t.Helper()
	all, err := b.Records()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
