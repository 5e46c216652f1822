package servers

import (
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
func Demo(t testing.TB, root string) string { return buildDemo(t, root, "demo", "-race") }

// LeanDemo is Demo without the race detector, whose memory grows with what goes on.
func LeanDemo(t testing.TB, root string) string { return buildDemo(t, root, "lean-demo") }

func buildDemo(t testing.TB, root, name string, flags ...string) string {
	t.Helper()
	demo.Lock()
	defer demo.Unlock()
	if demo.dir == "" {
		dir, err := os.MkdirTemp("", "otelhealth-e2e-")
		if err != nil {
			t.Fatal(err)
		}
		demo.dir = dir
	}
	path := filepath.Join(demo.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := goBuild(root, nil, append(flags, "-o", path, "./cmd/demo")...); err != nil {
		t.Fatal(err)
	}
	return path
}

// Clean removes what was built of the demo. Call it from TestMain.
func Clean() {
	demo.Lock()
	defer demo.Unlock()
	if demo.dir != "" {
		_ = os.RemoveAll(demo.dir) // in the temporary directory: no loss
		demo.dir = ""
	}
}
