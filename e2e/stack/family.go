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
	ready           string // a URL that answers 200 then

	cmd   *exec.Cmd
	ended chan struct{}
}

// family is what runs, in the order of its start.
type family struct {
	children []*child
	gone     chan *child // ended by itself, or as it was told
}

const (
	startLimit = time.Minute
	endLimit   = 30 * time.Second // the demo has its drain and the last export to do
)

// start starts a child and waits until it is ready.
func (f *family) start(c *child, end <-chan os.Signal) error {
	if f.gone == nil {
		f.gone = make(chan *child, 8)
	}
	out, err := os.Create(c.log)
	if err != nil {
		return err
	}
	defer out.Close() // it has its own
	c.cmd, c.ended = exec.Command(c.path, c.args...), make(chan struct{})
	c.cmd.Env = append(os.Environ(), c.env...)
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for us: they end one after the other
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	f.children = append(f.children, c)
	go func() {
		_ = c.cmd.Wait() // its state is read later
		close(c.ended)
		f.gone <- c
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
		case g := <-f.gone:
			return g.died()
		case <-late.C:
			return fmt.Errorf("%s is not ready after %v:\n%s", c.name, startLimit, c.tail())
		case <-end:
			return errors.New("stopped while starting")
		}
	}
}

// wait waits for a signal, for a child that ends by itself, or for the end of the
// parent: go run hands a Ctrl-C on, but no SIGTERM.
func (f *family) wait(end <-chan os.Signal, parent int) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return nil
		case c := <-f.gone:
			return c.died()
		case <-tick.C:
			if os.Getppid() != parent {
				return nil
			}
		}
	}
}

// end ends them in the opposite order of their start: the demo after its drain, the
// collector, and Prometheus, which has got everything then. Another signal kills.
func (f *family) end(signals <-chan os.Signal) (err error) {
	for _, c := range slices.Backward(f.children) {
		select {
		case <-c.ended: // by itself: that was told
			continue
		default:
		}
		log.Printf("ending %s", c.name)
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
		late := time.NewTimer(endLimit)
		select {
		case <-c.ended:
			if !c.cmd.ProcessState.Success() {
				err = errors.Join(err, c.died())
			}
		case <-late.C:
			err = errors.Join(err, fmt.Errorf("%s has not ended in %v and was killed", c.name, endLimit), f.kill())
		case <-signals:
			err = errors.Join(err, errors.New("told to end twice: the rest was killed"), f.kill())
		}
		late.Stop()
	}
	return err
}

func (f *family) kill() (err error) {
	for _, c := range f.children {
		if e := c.cmd.Process.Kill(); e != nil && !errors.Is(e, os.ErrProcessDone) {
			err = errors.Join(err, fmt.Errorf("%s: %w", c.name, e))
			continue
		}
		<-c.ended
	}
	return err
}

func (c *child) died() error {
	return fmt.Errorf("%s ended: %v\n%s", c.name, c.cmd.ProcessState, c.tail())
}

// tail is the end of what it has printed.
func (c *child) tail() []byte {
	out, err := os.ReadFile(c.log)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.SplitAfter(out, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-11):], nil)
}
