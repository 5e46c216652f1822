package e2e

import (
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestSuspended stops the process for longer than its workers may stall, and then
// leaves it 5 % of the time, as a CPU quota does. Neither is a reason to restart
// it. An answer that does not come in time is not looked at here.
func TestSuspended(t *testing.T) {
	const stall = 3 * time.Second
	d := startDemo(t, nil, "-load", "50", "-drain", "0s", "-stall", stall.String())
	d.until("it works", passing)
	alive := func(when string) {
		if code, _, body, err := ask(http.MethodGet, d.app+"/health", ""); err == nil && code != http.StatusOK {
			t.Errorf("%s: /health answers %d %s", when, code, body)
		}
	}
	d.Signal(syscall.SIGSTOP)
	time.Sleep(3 * stall) // the time is what is tested
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
	d.until("it works again", passing)
	d.end()
}
