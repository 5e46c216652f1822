// Package engine runs the image and the compose file in a real container engine: dockerd, in a
// machine of its own.
package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelhealth/otelhealth/e2e/cluster/machine"
	"github.com/otelhealth/otelhealth/e2e/servers"
)

const root = "../../.."

// unavailable is why there is no container engine.
var unavailable error

func TestMain(m *testing.M) {
	machine.Main()
	if machine.Name() == "" {
		if unavailable = errors.Join(machine.Unavailable(), missing()); unavailable != nil {
			os.Exit(m.Run())
		}
		os.Exit(machine.Rerun("engine", "198.18.255.1/24", prepare))
	}
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if code != 0 {
		text, _ := os.ReadFile(engineLog)
		fmt.Fprintf(os.Stderr, "--- end of %s\n%s\n", engineLog, text[max(0, len(text)-4000):])
	}
	os.Exit(code)
}

// missing returns which programs are not installed.
func missing() error {
	for program, pkg := range map[string]string{"dockerd": "docker.io", docker: "docker.io", "containerd": "containerd", "iptables": "iptables", "git": "git",
		"redis-server": "redis-server", "setpriv": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("apt-get install --no-install-recommends %s", pkg)
		}
	}
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) == 0 {
		return errors.New("apt-get install --no-install-recommends postgresql")
	}
	return nil
}

// prepare does what needs the network, because the machine has none, and what takes long, because it
// should not count towards a test's time limit.
func prepare() error {
	if err := run(root, nil, "go", "mod", "download"); err != nil {
		return err
	}
	for _, name := range []string{"collector", "compose", "prometheus"} {
		if _, err := servers.Prepare(root, name, nil); err != nil {
			return err
		}
	}
	cache, err := buildCache()
	if err != nil {
		return err
	}
	return run(root, []string{"GOCACHE=" + cache, "CGO_ENABLED=0"}, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", os.DevNull, "./cmd/demo")
}

// buildCache returns the directory of Go's build cache for the image. It has the demo's packages, as the
// Dockerfile compiles them, and nothing else.
func buildCache() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "otelhealth", "image"), err
}

const (
	docker    = "/usr/bin/docker" // Debian's: it builds by BuildKit without a plugin
	engineLog = "/run/dockerd.log"
	settings  = `{"bip": "198.18.0.1/24", "default-address-pools": [{"base": "198.18.128.0/17", "size": 24}], "ip6tables": false,
"storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"]}`
)

// start starts dockerd.
func start() error {
	if err := os.WriteFile("/run/docker.json", []byte(settings), 0o644); err != nil {
		return err
	}
	log, err := os.Create(engineLog)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("dockerd", "--config-file=/run/docker.json")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	return until("dockerd answers", func() error { return run(".", nil, docker, "version") })
}

// run runs a command with more variables. Its error has the output.
func run(dir string, env []string, name string, args ...string) error {
	_, err := output(dir, env, name, args...)
	return err
}

func output(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), err
}

// patience is the limit of every wait. Only a failing test waits that long.
const patience = 3 * time.Minute

// until calls f until it returns nil.
func until(what string, f func() error) error {
	var err error
	for began := time.Now(); time.Since(began) < patience; time.Sleep(100 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("after %v not yet: %s: %w", patience, what, err)
}

// needs skips the test if there is no engine. In CI it fails.
func needs(t *testing.T) {
	t.Helper()
	switch {
	case unavailable == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(unavailable)
	default:
		t.Skip(unavailable)
	}
}

// must runs docker and returns its output.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := output(root, []string{"DOCKER_BUILDKIT=1"}, docker, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wait polls until f returns nil.
func wait(t *testing.T, what string, f func() error) time.Duration {
	t.Helper()
	began := time.Now()
	if err := until(what, f); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}
