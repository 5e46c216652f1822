package servers

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Installed returns the path of a program from the system's packages. It looks in PATH and then in
// places. If the program is missing, it skips the test, because a laptop may lack it. With CI=true
// the test fails.
func Installed(t testing.TB, name string, places ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, place := range places {
		found, err := filepath.Glob(filepath.Join(place, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return slices.Max(found)
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// Database is a running PostgreSQL.
type Database struct {
	*Process
	URL string
}

// Postgres starts PostgreSQL at addr with its data in dir. It creates the data if dir is empty.
func Postgres(t testing.TB, addr, dir string) Database {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	places := []string{"/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin"} // Debian's are not in PATH
	as := account(t)
	if _, err := os.Stat(filepath.Join(dir, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		init := exec.Command(Installed(t, "initdb", places...), "-D", dir, "-U", "demo", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
		init.Dir, init.SysProcAttr = dir, as
		if out, err := init.CombinedOutput(); err != nil {
			t.Fatalf("initdb: %v\n%s", err, out)
		}
	}
	cmd := exec.Command(Installed(t, "postgres", places...), "-D", dir, "-h", host, "-p", port, "-k", dir, "-c", "fsync=off")
	cmd.Dir, cmd.SysProcAttr = dir, as
	d := Database{Run(t, cmd, nil), "postgres://demo@" + addr + "/postgres?sslmode=disable"}
	t.Cleanup(func() {
		if !d.Ended() {
			d.SignalAll(syscall.SIGKILL) // a frozen child would stay
		}
	})
	Poll(t, "PostgreSQL is ready", func() error {
		if d.Ended() {
			t.Fatalf("PostgreSQL ended: %v", d.cmd.ProcessState)
		}
		pid, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
		if err == nil && !strings.Contains(string(pid), "\nready") {
			err = errors.New(string(pid))
		}
		return err
	})
	return d
}

// PostgresDir returns a directory for [Postgres]. It belongs to PostgreSQL's user, because
// testing.T's directories are closed to other users.
func PostgresDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "otelhealth-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover in the temporary directory does no harm
	if as := account(t); as != nil {
		if err := os.Chown(dir, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// account returns the user for PostgreSQL, because it refuses root. It returns nil if the test does
// not run as root. The process is our own child and gets our signals. A child of runuser does not.
func account(t testing.TB) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// Halt stops PostgreSQL without waiting for its clients.
func (d Database) Halt() {
	d.t.Helper()
	d.Signal(syscall.SIGINT)
	d.Wait()
}

// SignalAll signals the process and its children. PostgreSQL has one child per connection.
// SignalAll freezes the process meanwhile, so it makes no new ones.
func (p *Process) SignalAll(s syscall.Signal) {
	p.t.Helper()
	p.Signal(syscall.SIGSTOP)
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		p.t.Fatalf("ps: %v", err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		if _, err := fmt.Sscan(line, &pid, &parent); err != nil || parent != p.cmd.Process.Pid {
			continue
		}
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			p.t.Fatalf("%s: its child %d: %v", p.name, pid, err)
		}
		n++
	}
	if n == 0 {
		p.t.Fatalf("%s has no children", p.name)
	}
	if s != syscall.SIGSTOP {
		p.Signal(s)
	}
}
