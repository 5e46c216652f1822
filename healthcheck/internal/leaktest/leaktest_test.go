package leaktest

import (
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// TestLeak: others finds a waiting goroutine, and none after it has ended.
func TestLeak(t *testing.T) {
	end := make(chan struct{})
	go forgotten(end)
	if left := wait(50 * time.Millisecond); !strings.Contains(strings.Join(left, "\n"), "leaktest.forgotten") {
		t.Errorf("a goroutine is left; found %q", left)
	}
	close(end)
	for _, stack := range wait(patience) {
		if strings.Contains(stack, "leaktest.forgotten") {
			t.Errorf("it has ended; found %q", stack)
		}
	}
}

func forgotten(end chan struct{}) { <-end }
