//go:build unix

package healthcheck

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// irregular are things that may be in the place of a file.
var irregular = map[string]func(t *testing.T, path string){
	"a named pipe": func(t *testing.T, path string) {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	},
	"a link to a named pipe": func(t *testing.T, path string) {
		if err := syscall.Mkfifo(path+".pipe", 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path+".pipe", path); err != nil {
			t.Fatal(err)
		}
	},
	"a device": func(t *testing.T, path string) {
		if err := os.Symlink("/dev/zero", path); err != nil {
			t.Fatal(err)
		}
	},
	"a directory": func(t *testing.T, path string) {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	},
}

// TestIrregularFileAtStart: Start does not hang. It logs both files, and the process starts.
func TestIrregularFileAtStart(t *testing.T) {
	for what, create := range irregular {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lever")
			create(t, path)
			log := &logged{}
			m := New(Config{OverrideFile: path, MaintenanceFile: path})
			if err := m.StartWith(context.Background(), Pipeline{Logger: slog.New(slog.NewTextHandler(log, nil))}); err != nil {
				t.Fatal(err)
			}
			m.Stop()
			out := log.take()
			for _, want := range []string{"OverrideFile: ", "MaintenanceFile: ", "is not a regular file"} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in: %v", want, out)
				}
			}
		})
	}
}

// TestIrregularFile: if an irregular file replaces a file, the last content stays in force, and that is logged once
// and exported. The other file still works.
func TestIrregularFile(t *testing.T) {
	for what, create := range irregular {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			overrides, maintenance := filepath.Join(dir, "overrides"), filepath.Join(dir, "maintenance")
			writeFile(t, overrides, "database=show")
			synctest.Test(t, func(t *testing.T) {
				log := &logged{}
				k := newKit(t, Config{OverrideFile: overrides, MaintenanceFile: maintenance, Checks: []Check{{Name: "database", Func: down}}})
				k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
				k.start()
				wait(twice)
				k.want("/ready", 200, verdict.Pass)
				invalid := func(of string) float64 {
					return k.metric("health.file.invalid", attribute.String("health.file.name", of))
				}
				if invalid("overrides") != 0 || invalid("maintenance") != 0 {
					t.Error("a valid file is invalid")
				}
				log.take()
				if err := os.Remove(overrides); err != nil {
					t.Fatal(err)
				}
				create(t, overrides)
				wait(10 * time.Second)
				k.want("/ready", 200, verdict.Pass)
				if out := log.take(); strings.Count(out, "is not a regular file") != 1 {
					t.Errorf("log: %s", out)
				}
				if invalid("overrides") != 1 || invalid("maintenance") != 0 {
					t.Error("it is not exported")
				}
				writeFile(t, maintenance, `{"reason":"upgrade","until":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
				wait(twice)
				k.want("/ready", 503, verdict.Fail)
				if err := os.RemoveAll(overrides); err != nil {
					t.Fatal(err)
				}
				wait(twice)
				if invalid("overrides") != 0 {
					t.Error("a file that is gone is invalid")
				}
			})
		})
	}
}

// TestRewrittenInPlace: a file that is empty or half written while it is rewritten changes nothing.
func TestRewrittenInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maintenance")
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		text := func(reason string) string {
			return `{"reason":"` + reason + `","until":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`
		}
		writeFile(t, path, text("upgrade"))
		k := newKit(t, Config{MaintenanceFile: path})
		k.pipeline.Logger = slog.New(slog.NewTextHandler(log, nil))
		k.start()
		wait(100 * time.Millisecond)
		log.take()
		for n := range 20 {
			now := text(strings.Repeat("upgrade ", n+1))
			for _, part := range []string{"", now[:len(now)/2], now} {
				writeFile(t, path, part)
				wait(time.Second) // one reading sees it
				k.want("/ready", 503, verdict.Fail)
			}
		}
		if out := log.take(); out != "" {
			t.Errorf("log: %s", out)
		}
		writeFile(t, path, "")
		wait(twice)
		k.want("/ready", 200, verdict.Pass)
	})
}
