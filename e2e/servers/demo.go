package servers

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

var demo struct {
	sync.Mutex
	dir string
}

// Demo returns the demo of the module in root, with the race detector in it: a
// data race makes it exit with 66. It is built once a test run, until [Clean].
func Demo(t testing.TB, root string) string {
	t.Helper()
	demo.Lock()
	defer demo.Unlock()
	if demo.dir == "" {
		dir, err := os.MkdirTemp("", "otelhealth-e2e-")
		if err != nil {
			t.Fatal(err)
		}
		if err := goBuild(root, "-race", "-o", filepath.Join(dir, "demo"), "./cmd/demo"); err != nil {
			t.Fatal(errors.Join(err, os.RemoveAll(dir)))
		}
		demo.dir = dir
	}
	return filepath.Join(demo.dir, "demo")
}

// Clean removes what [Demo] built. Call it from TestMain.
func Clean() {
	demo.Lock()
	defer demo.Unlock()
	if demo.dir != "" {
		_ = os.RemoveAll(demo.dir) // in the temporary directory: no loss
		demo.dir = ""
	}
}
