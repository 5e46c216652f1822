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

// Demo builds the demo of the module in root with the race detector and returns its path. A data
// race exits with 66. It builds once in a test run. Call [Clean] at the end.
func Demo(t testing.TB, root string) string { return program(t, root, "demo", "./cmd/demo", "-race") }

// LeanDemo is Demo without the race detector, because that makes the memory grow.
func LeanDemo(t testing.TB, root string) string { return program(t, root, "lean-demo", "./cmd/demo") }

// ManySeries builds the program that exports 19,000 histogram series.
func ManySeries(t testing.TB, root string) string {
	return program(t, root, "manyseries", "./internal/manyseries")
}

// Command builds the command otelhealth, which is a module of its own.
func Command(t testing.TB, root string) string {
	return program(t, filepath.Join(root, "cmd", "otelhealth"), "otelhealth", ".")
}

func program(t testing.TB, root, name, pkg string, flags ...string) string {
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
	// Some tests run without cgo, because servers are static. The race detector needs it.
	if err := goBuild(root, []string{"CGO_ENABLED=1"}, nil, append(flags, "-o", path, pkg)...); err != nil {
		t.Fatal(err)
	}
	return path
}

// Clean removes the programs. Call it from TestMain.
func Clean() {
	demo.Lock()
	defer demo.Unlock()
	if demo.dir != "" {
		_ = os.RemoveAll(demo.dir) // a leftover in the temporary directory does no harm
		demo.dir = ""
	}
}
