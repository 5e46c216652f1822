package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// keep is the keeper: it starts init in new namespaces and cgroups, and removes them at the end.
func keep() (code int, err error) {
	alive, ready := os.NewFile(3, "alive"), os.NewFile(4, "ready")
	groups, err := join(fmt.Sprintf("otelhealth-%s-%d", Name(), os.Getpid()))
	defer func() { err = errors.Join(err, groups.remove()) }()
	if err != nil {
		return 1, err
	}
	told, tell, err := os.Pipe()
	if err != nil {
		return 1, err
	}
	runtime.LockOSThread() // because Pdeathsig is sent when the thread that started init ends
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stageVariable+"=init")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{told, ready}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWCGROUP | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL, // also if the keeper is killed
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	told.Close()
	ready.Close()
	fmt.Fprintln(tell, cmd.Process.Pid) // init can't know it
	tell.Close()
	go func() {
		ended(alive)
		_ = cmd.Process.Kill() // the kernel kills all processes of the namespace
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 0), nil // the starter knows that it has stopped it
	}
	return 0, err
}
