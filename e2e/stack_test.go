package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

// TestStack runs the README's command and asks Prometheus for the data. If one process stops, all
// must stop.
func TestStack(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"collector", "prometheus"} {
		servers.Server(t, root, name)
	}
	binary := filepath.Join(t.TempDir(), "stack")
	if out, err := exec.Command("go", "build", "-o", binary, "./stack").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir = root
		return cmd
	}
	for _, c := range []struct {
		how    string
		cmd    func(flags ...string) *exec.Cmd
		signal func(*servers.Process)
		code   int
	}{
		{"go run, Ctrl-C", func(flags ...string) *exec.Cmd {
			cmd := command("go", append([]string{"-C", "e2e", "run", "./stack"}, flags...)...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a shell does
			return cmd
		}, func(p *servers.Process) { p.SignalGroup(syscall.SIGINT) }, 1}, // exit code of the go command
		{"go run, SIGTERM", func(flags ...string) *exec.Cmd {
			return command("go", append([]string{"-C", "e2e", "run", "./stack"}, flags...)...)
		}, func(p *servers.Process) { p.Signal(syscall.SIGTERM) }, -1}, // go run dies, and the stack notices
		{"binary, SIGTERM", func(flags ...string) *exec.Cmd { return command(binary, flags...) },
			func(p *servers.Process) { p.Signal(syscall.SIGTERM) }, 0},
		{"binary, a closed terminal", func(flags ...string) *exec.Cmd { return command(binary, flags...) },
			func(p *servers.Process) { p.Signal(syscall.SIGHUP) }, 0},
	} {
		t.Run(c.how, func(t *testing.T) {
			addrs, dir := servers.FreeAddrs(t, 4), t.TempDir()
			p := servers.Run(t, c.cmd("-addr", addrs[0], "-admin-addr", addrs[1], "-otlp-addr", addrs[2], "-prometheus-addr", addrs[3],
				"-data", dir, "--", "-drain", "1s"), []string{"OTEL_METRIC_EXPORT_INTERVAL=500"})
			servers.Poll(t, "the stack prints its addresses", func() error {
				if p.Ended() {
					t.Fatal("the stack has exited")
				}
				for _, addr := range addrs {
					if !strings.Contains(p.Output(), addr) {
						return fmt.Errorf("%q lacks %s", p.Output(), addr)
					}
				}
				return nil
			})
			prometheus{p, t, "http://" + addrs[3]}.eventually("Prometheus has the verdict", `health_probe_status{health_probe_name="readiness", health_probe_state="pass"} == 1`,
				func(got []sample) bool { return len(got) == 1 && got[0].labels["job"] == "demo" })
			if code, _, _, err := ask(http.MethodGet, "http://"+addrs[0]+"/ready", ""); code != http.StatusOK || err != nil {
				t.Errorf("/ready: %d %v", code, err)
			}
			pids := children(t, dir, addrs[3])
			if len(pids) < 2 {
				t.Fatalf("processes %v", pids)
			}
			c.signal(p)
			servers.Poll(t, "the stack has exited", func() error {
				if left := children(t, dir, addrs[3]); !p.Ended() || len(left) > 0 {
					return fmt.Errorf("exited %v, left processes %v\n%s", p.Ended(), left, p.Output())
				}
				return nil
			})
			if code := p.Wait(); code != c.code {
				t.Errorf("exit code %d, want %d\n%s", code, c.code, p.Output())
			}
			for _, addr := range addrs {
				l, err := net.Listen("tcp", addr)
				if err != nil {
					t.Error(err)
					continue
				}
				l.Close()
			}
			end := p.Output()[strings.LastIndex(p.Output(), "Ctrl-C"):]
			if c.code >= 0 && !inOrder(end, "ending demo", "ending collector", "ending prometheus") {
				t.Errorf("the log of the shutdown: %s", end)
			}
		})
	}
	t.Run("port in use", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs := servers.FreeAddrs(t, 3)
		out, err := command(binary, "-addr", addrs[0], "-admin-addr", addrs[1], "-otlp-addr", addrs[2], "-prometheus-addr", l.Addr().String()).CombinedOutput()
		want := fmt.Sprintf("stack: %s is in use: stop the program that listens there, or choose another address with -prometheus-addr\n", l.Addr())
		var exit *exec.ExitError
		if string(out) != want || !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%v %q, want exit status 1 and %q", err, out, want)
		}
	})
	t.Run("child ends", func(t *testing.T) {
		addrs, dir := servers.FreeAddrs(t, 4), t.TempDir()
		p := servers.Run(t, command(binary, "-addr", addrs[0], "-admin-addr", addrs[1], "-otlp-addr", addrs[2], "-prometheus-addr", addrs[3],
			"-data", dir, "--", "-drain", "-1s"), nil)
		if code := p.Wait(); code != 1 || !strings.Contains(p.Output(), "-drain -1s is negative") || len(children(t, dir, addrs[3])) > 0 {
			t.Errorf("exit code %d\n%s", code, p.Output())
		}
	})
}

// children returns the processes with one of the texts in their command line, except the stack.
func children(t *testing.T, texts ...string) (list []string) {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-ww", "-o", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		for _, text := range texts {
			if strings.Contains(line, text) && !strings.Contains(line, "-otlp-addr") {
				list = append(list, strings.TrimSpace(line))
				break
			}
		}
	}
	return list
}

func inOrder(s string, parts ...string) bool {
	for _, part := range parts {
		_, after, found := strings.Cut(s, part)
		if !found {
			return false
		}
		s = after
	}
	return true
}
