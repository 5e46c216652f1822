package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const trap = `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("caught on", os.Getenv("OTEL_TEST"), os.Getenv("ADMIN_TOKEN")+os.Getenv("DATABASE_URL"))
	<-c
	os.Exit(7)
}
`

// module writes a server's module and moves the user's cache.
func module(t *testing.T, main string) (dir string) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE", "GOPATH", "GOENV").Output()
	if err != nil {
		t.Fatal(err)
	}
	goes := strings.Split(string(out), "\n") // keep Go's build cache, or Go compiles everything again
	for i, name := range []string{"GOCACHE", "GOPATH", "GOENV"} {
		t.Setenv(name, goes[i])
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir = filepath.Join(t.TempDir(), "trap")
	write(t, dir, "go.mod", "module trap\n\ngo 1.26.0\n")
	write(t, dir, "go.sum", "")
	write(t, dir, "main.go", main)
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBuildIsKept(t *testing.T) {
	dir := module(t, trap)
	first := Build(t, dir)
	made, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "main_test.go", "package main\n") // not a part of the binary
	again := Build(t, dir)
	if kept, err := os.Stat(again); err != nil || again != first || !os.SameFile(made, kept) {
		t.Errorf("unchanged, but built again as %s after %s: %v", again, first, err)
	}
	for _, name := range []string{"main.go", "go.mod", "go.sum"} {
		old, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(old)+"\n")
		if path := Build(t, dir); path == first {
			t.Errorf("%s has changed, but %s is still used", name, path)
		}
		write(t, dir, name, string(old))
	}
	if path := Build(t, dir, "-tags=other", "."); path == first {
		t.Errorf("the arguments have changed, but %s is still used", path)
	}
	write(t, dir, "tool/main.go", "package main\n\nfunc main() {}\n")
	if path := Build(t, dir, "./tool"); !strings.HasPrefix(filepath.Base(path), "tool-") {
		t.Errorf("%s does not have its package's name", path)
	}
}

func TestBuildFails(t *testing.T) {
	dir := module(t, "package main\n\nfunc main() { fail }\n")
	for ci, want := range map[string]string{"": "skip", "true": "fatal"} {
		t.Setenv("CI", ci)
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() { defer close(done); Build(r, dir) }()
		<-done
		if r.ended != want || !strings.Contains(r.reason, "undefined: fail") {
			t.Errorf("CI=%q: %s %q, want %s with the compiler's error", ci, r.ended, r.reason, want)
		}
	}
}

// recorder is a test that may fail or skip without ending the calling test.
type recorder struct {
	testing.TB
	ended, reason string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) { r.end("fatal", args[0].(error)) }

func (r *recorder) Skip(args ...any) { r.end("skip", args[0].(error)) }

func (r *recorder) end(how string, err error) {
	r.ended, r.reason = how, err.Error()
	runtime.Goexit()
}

func TestProcess(t *testing.T) {
	t.Setenv("OTEL_TEST", "shell")
	t.Setenv("ADMIN_TOKEN", "shell")
	t.Setenv("DATABASE_URL", "shell")
	p := Start(t, Build(t, module(t, trap)), []string{"OTEL_TEST=test"})
	Poll(t, "the trap is set", func() error {
		if p.Output() == "" {
			return os.ErrNotExist
		}
		return nil
	})
	if got, want := p.Output(), "caught on test \n"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	if p.Ended() {
		t.Error("ended by itself")
	}
	if code := p.Stop(); code != 7 || !p.Ended() {
		t.Errorf("exit code %d, ended %v; want 7, true", code, p.Ended())
	}
}

func TestFreeAddrs(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range FreeAddrs(t, 20) {
		if seen[a] || !strings.HasPrefix(a, "127.0.0.1:") {
			t.Errorf("%s: a duplicate, or not on loopback", a)
		}
		seen[a] = true
	}
}

// TestReserved: nobody else gets a reserved address until the test has ended, in this process or
// another, even if no server listens there.
func TestReserved(t *testing.T) {
	if addr := os.Getenv("RESERVED"); addr != "" { // this is the other process
		if ok, err := reserve(addr); ok || err != nil {
			t.Errorf("%s: free %v, %v", addr, ok, err)
		}
		return
	}
	var addr string
	t.Run("test", func(t *testing.T) {
		addr = FreeAddrs(t, 1)[0]
		if ok, err := reserve(addr); ok || err != nil {
			t.Errorf("%s: free %v, %v", addr, ok, err)
		}
		other := exec.Command(os.Args[0], "-test.run=^TestReserved$")
		other.Env = append(os.Environ(), "RESERVED="+addr)
		if out, err := other.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	if ok, err := reserve(addr); !ok || err != nil {
		t.Errorf("%s after the test: free %v, %v", addr, ok, err)
	}
	release(addr)
}
