// Package machine runs this program again as on a Linux machine of its own: with new network, mount,
// process, host name, IPC and cgroup namespaces. Nothing in it reaches the network outside. What it
// writes to /run, /var/lib and /var/log is in memory. If the program that started the machine ends,
// also by SIGKILL, the machine and all its processes end, and its cgroups are removed.
//
//	outside ──▶ keeper ──▶ init (process 1 of the machine) ──▶ inside
//
// All four are the same program. The keeper is outside of the machine. It waits until init ends or
// the pipe from its starter closes, and then it removes the cgroups.
package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Shared is a directory in memory. Machines that a machine starts have the same one.
const Shared = "/run/shared"

// These variables carry the stage and its arguments to the next program.
const (
	stageVariable = "OTELHEALTH_MACHINE_STAGE"
	nameVariable  = "OTELHEALTH_MACHINE"      // the name of the machine
	addrVariable  = "OTELHEALTH_MACHINE_ADDR" // its address, with the length of the prefix
	pidVariable   = "OTELHEALTH_MACHINE_PID"  // of its process 1, as its starter sees it
)

// Main continues as keeper or as init if this process is one. Call it first in main or in TestMain.
func Main() {
	stage := os.Getenv(stageVariable)
	os.Unsetenv(stageVariable)
	var code int
	var err error
	switch stage {
	case "keeper":
		code, err = keep()
	case "init":
		code, err = boot()
	default:
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "machine %s: %s: %v\n", Name(), stage, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Name returns the name of the machine in which this process runs, or "" outside of one.
func Name() string { return os.Getenv(nameVariable) }

// PID returns the id of the machine's process 1, as the starter of the machine sees it.
func PID() string { return os.Getenv(pidVariable) }

// Unavailable returns why this system can't run a machine, or nil.
func Unavailable() error {
	if os.Geteuid() != 0 {
		return errors.New("namespaces and cgroups need root")
	}
	if _, err := os.Stat("/sys/fs/cgroup/memory/cgroup.procs"); err != nil {
		return errors.New("there is no cgroup v1 hierarchy at /sys/fs/cgroup, and cgroup v2 was never tried")
	}
	return nil
}

// Machine is a running machine.
type Machine struct {
	PID    int // of its process 1
	keeper *exec.Cmd
	alive  *os.File // the keeper ends the machine when this closes
}

// Start starts a machine with an address, as in 198.18.255.1/24. In it this program runs again, with
// the same arguments and with more variables.
func Start(name, addr string, env ...string) (*Machine, error) {
	alive, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer alive.Close()
	pid, theirs, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	defer pid.Close()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, stageVariable+"=keeper", nameVariable+"="+name, addrVariable+"="+addr)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{alive, theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C reaches its starter alone
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	m := &Machine{keeper: cmd, alive: ours}
	line, err := bufio.NewReader(pid).ReadString('\n')
	if err == nil {
		m.PID, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("machine %s did not start: %w", name, err), m.Stop())
	}
	return m, nil
}

// Rerun runs prepare, and then this program again in a machine. It returns the exit code.
func Rerun(name, addr string, prepare func() error) (code int) {
	err := prepare()
	if err == nil {
		var m *Machine
		if m, err = Start(name, addr); err == nil {
			code, err = m.Wait()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Wait waits until the program inside ends and returns its exit code.
func (m *Machine) Wait() (code int, err error) {
	err = m.keeper.Wait()
	m.alive.Close()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// Kill kills every process of the machine at once, as a power cut does. Wait returns afterwards.
func (m *Machine) Kill() { m.alive.Close() }

// Stop kills the machine and waits until it is gone.
func (m *Machine) Stop() error {
	m.Kill()
	_, err := m.Wait()
	return err
}

// ended waits until the starter is gone.
func ended(alive *os.File) { _, _ = io.Copy(io.Discard, alive) }
