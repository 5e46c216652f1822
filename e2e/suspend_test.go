package e2e

import (
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestSuspended stops the process for longer than its stall time, and then gives it 5 % of the CPU,
// as a CPU quota does. Neither may fail liveness. A late answer does not count.
func TestSuspended(t *testing.T) {
	const stall = 3 * time.Second
	d := startDemo(t, nil, "-load", "50", "-drain", "0s", "-stall", stall.String())
	d.until("the demo is ready", passing)
	alive := func(when string) {
		if code, _, body, err := ask(http.MethodGet, d.app+"/health", ""); err == nil && code != http.StatusOK {
			t.Errorf("%s: /health answers %d %s", when, code, body)
		}
	}
	d.Signal(syscall.SIGSTOP)
	time.Sleep(3 * stall) // a real wait, because the test is about this time
	d.Signal(syscall.SIGCONT)
	for end := time.Now().Add(stall); time.Now().Before(end); {
		alive("after SIGSTOP")
	}

	done := make(chan struct{})
	go func() {
		defer close(done)
		for end := time.Now().Add(3 * stall); time.Now().Before(end); {
			alive("at 5 % of the time")
		}
	}()
	for running := true; running; {
		d.Signal(syscall.SIGSTOP)
		time.Sleep(95 * time.Millisecond)
		d.Signal(syscall.SIGCONT)
		select {
		case <-done:
			running = false
		case <-time.After(5 * time.Millisecond):
		}
	}
	d.until("the demo is ready again", passing)
	d.end()
}
