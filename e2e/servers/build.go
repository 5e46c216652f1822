// Package servers builds real servers from source and runs them as processes.
//
// Each server is a module with a pinned go.sum, beside the tests. Build compiles a server once for
// each state of its module, and keeps it in the user's cache directory.
package servers

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// All lists the programs that tests start: their module in e2e and the arguments of go build.
var All = map[string]struct {
	module string
	args   []string
}{
	"collector": {"collector", []string{"."}},
	// Without this tag Prometheus would include the clients of every cloud for its service
	// discovery.
	"prometheus": {"prometheus", []string{"-tags=remove_all_sd", "github.com/prometheus/prometheus/cmd/prometheus"}},
	// CoreDNS, Compose and Kubernetes are for e2e/cluster.
	"compose":    {"compose", []string{"github.com/docker/compose/v2/cmd"}},
	"coredns":    {"coredns", []string{"."}},
	"kubernetes": {"kubernetes", []string{"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2", "."}},
	"promtool":   {"prometheus", []string{"-tags=remove_all_sd", "github.com/prometheus/prometheus/cmd/promtool"}},
}

// Prepare builds a program of All for the repository in root, unless it exists. This takes minutes,
// but they don't count towards a test's time limit. It calls progress, if that is not nil, with
// every compiled package.
func Prepare(root, name string, progress func(pkg string)) (path string, err error) {
	return build(filepath.Join(root, "e2e", All[name].module), All[name].args, progress)
}

// PrepareDemo builds the demo into dir.
func PrepareDemo(root, dir string, progress func(pkg string)) (path string, err error) {
	path = filepath.Join(dir, "demo")
	return path, goBuild(root, nil, progress, "-o", path, "./cmd/demo")
}

// Server is Build for a program of All.
func Server(t testing.TB, root, name string) string {
	t.Helper()
	return Build(t, filepath.Join(root, "e2e", All[name].module), All[name].args...)
}

// Build builds the package of the module in dir and returns the binary's path. With arguments of go
// build it builds a package of a required module. If the build fails, it skips the test, because a
// laptop may be offline. With CI=true the test fails.
func Build(t testing.TB, dir string, args ...string) string {
	t.Helper()
	if len(args) == 0 {
		args = []string{"."}
	}
	path, err := build(dir, args, nil)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return path
}

func build(dir string, args []string, progress func(pkg string)) (string, error) {
	key, err := key(dir, args)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "otelhealth", "servers")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	name := filepath.Base(filepath.Join(dir, args[len(args)-1])) // "." means dir itself
	path := filepath.Join(cache, name+"-"+key)
	unlock, err := lock(path + ".lock") // go test runs packages in parallel
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	part := path + ".part"
	// Static, so the same binary runs in an image.
	if err := goBuild(dir, []string{"CGO_ENABLED=0"}, progress, append([]string{"-ldflags=-s -w", "-o", part}, args...)...); err != nil {
		return "", err
	}
	return path, os.Rename(part, path) // never a half-written file
}

// key hashes everything that determines the binary.
func key(dir string, args []string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	files = append(files, filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", args)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\n", filepath.Base(name))
		n, err := io.Copy(h, f)
		fmt.Fprintf(h, "\n%d\n", n)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Dir = dir // its go.mod may need another toolchain
	version, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env in %s: %w", dir, err)
	}
	h.Write(version)
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// lock waits for the lock file. If the process dies, the kernel releases the lock.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// goBuild runs go build -v, and calls progress with each compiled package.
func goBuild(dir string, env []string, progress func(pkg string), args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-v"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var problems []byte
	for lines := bufio.NewReader(out); err == nil; {
		var line string
		line, err = lines.ReadString('\n')
		if pkg := strings.TrimSuffix(line, "\n"); pkg == "" || strings.ContainsAny(pkg, " :") {
			problems = append(problems, line...)
		} else if progress != nil {
			progress(pkg)
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", dir, err, problems)
	}
	return nil
}
