package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// child is a process of the stack.
type child struct {
	name, path, log string
	args, env       []string
	ready           string // a URL that answers 200 when the child is ready

	cmd   *exec.Cmd
	ended chan struct{}
}

// processes are the running processes, in the order of their start.
type processes struct {
	children []*child
	exited   chan *child // exited children
}

const (
	startLimit = time.Minute
	endLimit   = 30 * time.Second // enough for the demo's drain and last export
)

// start starts a child and waits until it is ready.
func (p *processes) start(c *child, end <-chan os.Signal) error {
	if p.exited == nil {
		p.exited = make(chan *child, 8)
	}
	out, err := os.Create(c.log)
	if err != nil {
		return err
	}
	defer out.Close() // the child has its own copy
	c.cmd, c.ended = exec.Command(c.path, c.args...), make(chan struct{})
	c.cmd.Env = append(os.Environ(), c.env...)
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C goes only to us, because the children must end one after the other
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	p.children = append(p.children, c)
	go func() {
		_ = c.cmd.Wait() // died reads the state
		close(c.ended)
		p.exited <- c
	}()
	client := http.Client{Timeout: time.Second}
	late, tick := time.NewTimer(startLimit), time.NewTicker(100*time.Millisecond)
	defer late.Stop()
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			res, err := client.Get(c.ready)
			if err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK {
				return nil
			}
		case g := <-p.exited:
			return g.died()
		case <-late.C:
			return fmt.Errorf("%s is not ready after %v:\n%s", c.name, startLimit, c.tail())
		case <-end:
			return errors.New("stopped while starting")
		}
	}
}

// wait waits for a signal, for the exit of a child, or for the end of the parent. go run passes on
// Ctrl-C, but not SIGTERM.
func (p *processes) wait(end <-chan os.Signal, parent int) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return nil
		case c := <-p.exited:
			return c.died()
		case <-tick.C:
			if os.Getppid() != parent {
				return nil
			}
		}
	}
}

// end stops the children in reverse order: the demo after its drain, then the collector, then
// Prometheus with all data. Another signal kills them.
func (p *processes) end(signals <-chan os.Signal) (err error) {
	for _, c := range slices.Backward(p.children) {
		select {
		case <-c.ended: // it exited by itself, and wait has reported that
			continue
		default:
		}
		log.Printf("ending %s", c.name)
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have exited just now
		late := time.NewTimer(endLimit)
		select {
		case <-c.ended:
			if !c.cmd.ProcessState.Success() {
				err = errors.Join(err, c.died())
			}
		case <-late.C:
			err = errors.Join(err, fmt.Errorf("killed %s, because it did not exit within %v", c.name, endLimit), p.kill())
		case <-signals:
			err = errors.Join(err, errors.New("second signal: killed the rest"), p.kill())
		}
		late.Stop()
	}
	return err
}

func (p *processes) kill() (err error) {
	for _, c := range p.children {
		if e := c.cmd.Process.Kill(); e != nil && !errors.Is(e, os.ErrProcessDone) {
			err = errors.Join(err, fmt.Errorf("%s: %w", c.name, e))
			continue
		}
		<-c.ended
	}
	return err
}

func (c *child) died() error {
	return fmt.Errorf("%s exited: %v\n%s", c.name, c.cmd.ProcessState, c.tail())
}

// tail returns the end of the child's output.
func (c *child) tail() []byte {
	out, err := os.ReadFile(c.log)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.SplitAfter(out, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-11):], nil)
}
