package servers

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running server. It ends before its test ends.
type Process struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	out   output
	ended chan struct{}
}

// Start runs a binary. The variables of OpenTelemetry and of the demo come only from env, not from
// the developer's shell. If the test fails, it logs the output.
func Start(t testing.TB, path string, env []string, args ...string) *Process {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir = t.TempDir() // relative paths stay out of the repository
	return Run(t, cmd, env)
}

// Run is Start for a prepared command.
func Run(t testing.TB, cmd *exec.Cmd, env []string) *Process {
	t.Helper()
	p := &Process{t: t, name: filepath.Base(cmd.Path), cmd: cmd, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	inherited := p.cmd.Env
	if inherited == nil {
		inherited = os.Environ()
	}
	p.cmd.Env = nil
	for _, kv := range inherited {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "OTEL_") && !slices.Contains([]string{"ADMIN_TOKEN", "DATABASE_URL", "CACHE_URL", "HEALTH_OVERRIDES"}, name) {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // Stop reads the exit code
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // usually it has exited already
		<-p.ended
		if t.Failed() {
			t.Logf("output of %s:\n%s", p.name, p.Output())
		}
	})
	return p
}

// Output returns the process's output so far.
func (p *Process) Output() string { return p.out.String() }

// Ended reports whether the process has exited.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// WaitOK waits until url answers 200.
func (p *Process) WaitOK(url string) {
	p.t.Helper()
	Poll(p.t, p.name+" answers at "+url, func() error {
		if p.Ended() {
			p.t.Fatalf("%s ended: %v", p.name, p.cmd.ProcessState)
		}
		res, err := Client.Get(url)
		if err != nil {
			return err
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != 200 {
			return errors.Join(errors.New(res.Status), err)
		}
		return nil
	})
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// Resident returns the process's resident memory in bytes.
func (p *Process) Resident() int64 {
	p.t.Helper()
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
	if err != nil {
		p.t.Fatalf("%s: ps: %v", p.name, err)
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		p.t.Fatalf("%s: ps: %v", p.name, err)
	}
	return kib << 10
}

// SignalGroup signals the process's group, as a terminal does.
func (p *Process) SignalGroup(s syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// Kill kills the process, as the kernel does when memory runs out.
func (p *Process) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Stop sends SIGTERM, as Kubernetes does, and returns the exit code, or -1 if a signal killed the
// process.
func (p *Process) Stop() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	return p.Wait()
}

// Wait waits for the exit and returns the exit code.
func (p *Process) Wait() int {
	p.t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		p.t.Fatalf("%s has not exited after %v", p.name, Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// output is a buffer that the process writes and the test reads.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
