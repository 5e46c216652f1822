package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// controllers are the hierarchies that kubelet, containerd and runc use.
var controllers = []string{"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd"}

// cgroups are the directories of a machine, one in each hierarchy.
type cgroups struct{ dirs, origins []string }

// join creates a group below the present one in each hierarchy, and moves this process there. The
// next process with a new cgroup namespace sees it as the root.
func join(name string) (c cgroups, err error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return c, err
	}
	present := map[string]string{}
	for line := range strings.Lines(string(text)) { // 4:memory:/a/b
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, controller := range strings.Split(part[1], ",") {
			present[strings.TrimPrefix(controller, "name=")] = part[2]
		}
	}
	for _, controller := range controllers {
		origin := filepath.Join(cgroupRoot, controller, present[controller])
		sweep(origin)
		dir := filepath.Join(origin, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return c, err
		}
		c.dirs, c.origins = append(c.dirs, dir), append(c.origins, origin)
		if controller == "cpuset" { // it begins empty
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				b, err := os.ReadFile(filepath.Join(origin, file))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, file), b, 0o644)
				}
				if err != nil {
					return c, err
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "cgroup.clone_children"), []byte("1"), 0o644); err != nil {
				return c, err
			}
		}
		if err := enter(dir); err != nil {
			return c, err
		}
	}
	return c, nil
}

// enter moves this process into a group.
func enter(dir string) error {
	return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644)
}

// remove moves this process back and removes the groups. A process that was killed leaves its group
// a moment later.
func (c cgroups) remove() (err error) {
	for n, dir := range c.dirs {
		err = errors.Join(err, enter(c.origins[n]))
		var left error
		for range 500 {
			if left = removeTree(dir); left == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		err = errors.Join(err, left)
	}
	return err
}

// sweep removes the groups of machines whose keeper was killed too. Groups with processes stay.
func sweep(origin string) {
	left, _ := filepath.Glob(filepath.Join(origin, "otelhealth-*-*"))
	for _, dir := range left {
		var pid int
		if _, err := fmt.Sscanf(dir[strings.LastIndex(dir, "-"):], "-%d", &pid); err == nil && syscall.Kill(pid, 0) != nil {
			_ = removeTree(dir)
		}
	}
}

// removeTree removes a group and the groups below it.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // it may be gone
	})
	for _, path := range slices.Backward(dirs) {
		if e := syscall.Rmdir(path); e != nil && !errors.Is(e, syscall.ENOENT) {
			err = errors.Join(err, fmt.Errorf("%s: %w", path, e))
		}
	}
	return err
}
