package blackbox

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// TestStuckWorker: the record and the termination message name the worker and its function, from the
// failure to the end of the process. The next process logs the record once.
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
				t.Errorf("logged %d times, want %d: %s", n, want, r.log.String())
			}
			if rec, ok := r.box.Previous(); !ok || rec.Probe != "liveness" {
				t.Errorf("previous: %v", rec)
			}
			r.stop()
		}
	})
}

// TestLeftAtTheEnd: if a worker leaves its function when the process is told to end, the function stays in
// the termination message. If another worker has failed since and left too, the message does not say that
// its function is unknown.
func TestLeftAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, t.TempDir())
		release := make(chan struct{})
		go r.worker.Do(t.Context(), stuckHere(release))
		r.wait(5 * time.Second)
		go NewWorker(r.health, "other", time.Minute).Do(t.Context(), stuckHere(release))
		r.wait(65 * time.Second)
		close(release)
		synctest.Wait()
		r.end()
		r.wait(time.Second)
		if m := r.message(); !strings.Contains(m, "(and 1 more)") || !strings.Contains(m, "stuckHere") || strings.Contains(m, "unknown") || !strings.Contains(m, "\n  no longer so when the process ended, after ") {
			t.Errorf("the message at the end is %q", m)
		}
		r.stop()
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

// TestSecret: an error's text is in the record and nowhere else.
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

// TestNoDirectory: if the directory can't be written, that is logged once, and the message works.
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
