package machine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// boot is process 1: it prepares the machine, starts the program, and waits for orphans. When it
// ends, the kernel kills the rest.
func boot() (code int, err error) {
	pid, err := bufio.NewReader(os.NewFile(3, "pid")).ReadString('\n')
	if err != nil {
		return 1, err
	}
	if err := syscall.Sethostname([]byte(Name())); err != nil {
		return 1, err
	}
	if err := mounts(); err != nil {
		return 1, err
	}
	if err := network(os.Getenv(addrVariable)); err != nil {
		return 1, err
	}
	ready := os.NewFile(4, "ready")
	fmt.Fprint(ready, pid) // Start returns
	ready.Close()
	env := append(os.Environ(), pidVariable+"="+strings.TrimSpace(pid), "TMPDIR=/run/tmp")
	child, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 1, err
	}
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 1, err
		case ended == child && status.Signaled():
			return 1, fmt.Errorf("%v", status.Signal())
		case ended == child:
			return status.ExitStatus(), nil
		}
	}
}

// mounts gives the machine /proc, /sys and cgroups of its own, and memory where servers write.
func mounts() error {
	type mount struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}
	const plain = syscall.MS_NOSUID | syscall.MS_NODEV
	list := []mount{
		{"none", "/", "", syscall.MS_REC | syscall.MS_PRIVATE, ""}, // nothing below reaches the machine outside
		{"proc", "/proc", "proc", plain | syscall.MS_NOEXEC, ""},
		{"sysfs", "/sys", "sysfs", plain | syscall.MS_NOEXEC, ""},
		{"cgroup", cgroupRoot, "tmpfs", plain | syscall.MS_NOEXEC, "mode=755"},
		{"run", "/run", "tmpfs", 0, "mode=755"},
		{"lib", "/var/lib", "tmpfs", 0, "mode=755"},
		{"log", "/var/log", "tmpfs", 0, "mode=755"},
	}
	for _, c := range controllers {
		data := c
		if c == "systemd" {
			data = "none,name=systemd"
		}
		list = append(list, mount{"cgroup", filepath.Join(cgroupRoot, c), "cgroup", plain | syscall.MS_NOEXEC, data})
	}
	// The kubelet would set these for the real machine. It finds them set already.
	for name, value := range map[string]string{"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"} {
		list = append(list, mount{"/run/sysctl/" + name, "/proc/sys/" + name, value, syscall.MS_BIND, ""})
	}
	shared, err := os.Open(Shared) // of the machine that started this one
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, m := range list {
		if m.target == "/sys" { // the outer cgroups must not show in /proc/mounts
			for syscall.Unmount("/sys", syscall.MNT_DETACH) == nil {
			}
		}
		if filepath.Dir(m.target) == cgroupRoot {
			if err := os.MkdirAll(m.target, 0o755); err != nil {
				return err
			}
		}
		if m.flags == syscall.MS_BIND {
			if err := os.MkdirAll(filepath.Dir(m.source), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(m.source, []byte(m.kind+"\n"), 0o644); err != nil {
				return err
			}
			m.kind = ""
		}
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	for _, dir := range []string{"/run/tmp", Shared} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
	}
	if shared == nil {
		return nil
	}
	defer shared.Close()
	return syscall.Mount(fmt.Sprintf("/proc/self/fd/%d", shared.Fd()), Shared, "", syscall.MS_BIND, "")
}

// network gives the machine an address that is wired to nothing, and a default route, because
// Kubernetes looks for one.
func network(addr string) error {
	host, _, _ := strings.Cut(addr, "/")
	gateway := host[:strings.LastIndex(host, ".")] + ".254"
	for _, args := range []string{
		"link set lo up",
		"link add eth0 type bridge",
		"addr add " + addr + " dev eth0",
		"link set eth0 up",
		"route add default via " + gateway + " dev eth0 onlink",
	} {
		if err := Run("ip", strings.Fields(args)...); err != nil {
			return err
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

// Run runs a command. Its error has the output.
func Run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
