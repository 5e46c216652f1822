package machine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const starter = "OTELHEALTH_TEST_STARTER" // this process starts a machine and waits

func TestMain(m *testing.M) {
	Main()
	switch {
	case Name() != "": // inside
		fmt.Println("inside", os.Getpid())
		select {}
	case os.Getenv(starter) != "":
		os.Unsetenv(starter)
		m, err := Start("killed", "198.18.255.1/24")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("started", m.PID, m.keeper.Process.Pid)
		select {}
	}
	os.Exit(m.Run())
}

// TestKilled: nothing is left of a machine if its starter is killed. If its keeper is killed, too,
// the groups are left, without a process, and the next machine removes them.
func TestKilled(t *testing.T) {
	if err := Unavailable(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, keeperToo := range []bool{false, true} {
		t.Run(fmt.Sprintf("keeper too %v", keeperToo), func(t *testing.T) {
			init, keeper, process := begin(t)
			groups := groupsOf(t, keeper)
			if len(groups) != len(controllers) {
				t.Errorf("%d groups, want one in each of %d hierarchies: %v", len(groups), len(controllers), groups)
			}
			if keeperToo {
				if err := syscall.Kill(keeper, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			if err := process.Kill(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "process 1 of the machine is gone", func() bool { return syscall.Kill(init, 0) != nil })
			if keeperToo {
				eventually(t, "the keeper is gone", func() bool { return syscall.Kill(keeper, 0) != nil })
				_, _, next := begin(t) // removes the groups
				defer next.Kill()
			}
			eventually(t, "the groups are gone", func() bool { return len(groupsOf(t, keeper)) == 0 })
		})
	}
}

// begin starts a process that starts a machine. It returns the ids of the machine's process 1 and of
// its keeper.
func begin(t *testing.T) (init, keeper int, process *os.Process) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), starter+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	inside := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "started %d %d", &init, &keeper)
		inside = inside || strings.HasPrefix(lines.Text(), "inside")
		if inside && init != 0 {
			return init, keeper, cmd.Process
		}
	}
	t.Fatal("the machine did not start")
	return 0, 0, nil
}

// groupsOf returns the directories of a keeper's cgroups.
func groupsOf(t *testing.T, keeper int) (all []string) {
	t.Helper()
	for _, c := range controllers {
		_ = filepath.WalkDir(filepath.Join(cgroupRoot, c), func(path string, _ os.DirEntry, err error) error {
			if err == nil && filepath.Base(path) == fmt.Sprintf("otelhealth-killed-%d", keeper) {
				all = append(all, path)
			}
			return nil
		})
	}
	return all
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for began := time.Now(); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("not yet: %s", what)
		}
	}
}
