package guard

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSameGuard: this package is the part of healthcheck's guard that telemetry needs, file by file,
// because neither module can import the other's internal packages. Its tests are there.
func TestSameGuard(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		here, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		there, err := os.ReadFile(filepath.Join("../../healthcheck/internal/guard", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(here, there) {
			t.Errorf("%s differs from healthcheck/internal/guard: cp healthcheck/internal/guard/%s internal/guard/", name, name)
		}
	}
}

// TestOneWriter: the copy works here, too.
func TestOneWriter(t *testing.T) {
	if err := new(Site).Run(func() { panic("hunter2") }); err == nil || err.Error() != "panic of string" {
		t.Error(err)
	}
}
