package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCrash: a process that is killed, by a signal or by the kernel because of its memory, is back in
// the Service soon.
func TestCrash(t *testing.T) {
	needs(t)
	t.Parallel()
	pods := demo(t, "crash")
	t.Run("kill -9", func(t *testing.T) {
		victim := pods[0]
		if out, err := exec.Command("kill", "-9", process(t, victim)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		took := restarted(t, victim, 137, "Error")
		t.Logf("back in the Service after %v", took.Round(100*time.Millisecond))
	})
	t.Run("out of memory", func(t *testing.T) {
		victim := pods[1]
		squeeze(t, victim)
		took := restarted(t, victim, 137, "OOMKilled")
		t.Logf("back in the Service after %v", took.Round(100*time.Millisecond))
	})
}

// restarted waits until a pod has ended in this way, was restarted, and is an endpoint again.
func restarted(t *testing.T, victim pod, code int, reason string) time.Duration {
	t.Helper()
	began := time.Now()
	wait(t, victim.Metadata.Name+" is restarted", func() error {
		pods, err := cluster.pods("crash", "demo")
		if err != nil {
			return err
		}
		for _, p := range pods {
			if p.Metadata.Name != victim.Metadata.Name || !p.ready() || p.restarts() == 0 {
				continue
			}
			if last := p.Status.ContainerStatuses[0].LastState.Terminated; last == nil || last.ExitCode != code || last.Reason != reason {
				return fmt.Errorf("it ended by %+v, want %d %s", last, code, reason)
			}
			return nil
		}
		return errors.New("not ready again")
	})
	returns(t, "crash", victim)
	return time.Since(began)
}

// squeeze lowers the memory limit of a pod's process below what it needs, so the kernel kills it.
func squeeze(t *testing.T, p pod) {
	t.Helper()
	pid := process(t, p)
	text, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	var dir string
	for line := range lines(string(text)) {
		if part := strings.SplitN(line, ":", 3); len(part) == 3 && part[1] == "memory" {
			dir = filepath.Join("/sys/fs/cgroup/memory", part[2])
		}
	}
	wait(t, "the kernel kills the process", func() error {
		usage, err := os.ReadFile(filepath.Join(dir, "memory.usage_in_bytes"))
		if err != nil {
			return nil // the group went with its process
		}
		var bytes int
		if _, err := fmt.Sscan(string(usage), &bytes); err != nil {
			return err
		}
		// The kernel refuses a limit that it can't reach, so the limit is the current usage. A second process
		// in the container then needs more, and the kernel kills the bigger one.
		_ = os.WriteFile(filepath.Join(dir, "memory.limit_in_bytes"), fmt.Append(nil, bytes), 0o644)
		_, _ = kubectl("-n", "crash", "exec", p.Metadata.Name, "--", "/demo", "-version")
		if _, err := os.Stat("/proc/" + pid); err == nil {
			return fmt.Errorf("it lives, with %d bytes", bytes)
		}
		return nil
	})
}
