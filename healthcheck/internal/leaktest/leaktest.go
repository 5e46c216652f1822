// Package leaktest fails a test binary that leaves goroutines behind. This module uses it in place of
// go.uber.org/goleak, so that users do not get a module that only our tests need. Only a TestMain calls it.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines have to end after the last test.
const patience = 5 * time.Second

// Main runs the tests and ends the process. It fails if all tests pass and a goroutine is left.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := wait(patience); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "leaktest: %d goroutines are left:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// wait returns the stacks of the goroutines that are left after the time.
func wait(patience time.Duration) (left []string) {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if left = others(); len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// others returns the stacks of all goroutines except the caller's and those of the runtime and of
// the testing package.
func others() (list []string) {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	for _, stack := range strings.Split(strings.TrimSpace(string(buf)), "\n\n")[1:] { // the first is the caller's
		if !expected(stack) {
			list = append(list, stack)
		}
	}
	return list
}

// expected reports whether a goroutine belongs to the runtime or to the testing package.
func expected(stack string) bool {
	_, frames, _ := strings.Cut(stack, "\n")
	for _, name := range []string{
		"os/signal.signal_recv(", "runtime.ensureSigM", // they stay once a process has asked for a signal
		"runtime.ReadTrace(", // go test -trace
		"testing.(*T).Run(",  // a test that waits for its subtest
	} {
		if strings.HasPrefix(frames, name) {
			return true
		}
	}
	return false
}
