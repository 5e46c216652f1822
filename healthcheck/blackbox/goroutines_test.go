package blackbox

import (
	"fmt"
	"strings"
	"testing"
)

// TestCensusText: only a label of megabytes itself is lost, and workers are kept after any number of
// different stacks.
func TestCensusText(t *testing.T) {
	var text strings.Builder
	fmt.Fprintf(&text, "goroutine profile: total 1\n5 @ 0x1 0x2\n# labels: {%q:%q}\n#\t0x1\tx\n\n", "long", strings.Repeat("x", 3<<20))
	for n := range 2 * distinctLimit {
		fmt.Fprintf(&text, "1 @ 0x%x\n\n", n)
	}
	fmt.Fprintf(&text, "1 @ 0x1\n# labels: {%q:%q, \"other\":\"a\\\"b\"}\n", workerLabel, "jobs")
	c := parseCensus(strings.NewReader(text.String()))
	if len(c.groups) != distinctLimit+1 || c.rest != distinctLimit+1 || c.groups[0].count != 5 {
		t.Fatalf("%d groups and %d left out", len(c.groups), c.rest)
	}
	if last := c.groups[len(c.groups)-1].labels; last[workerLabel] != "jobs" || last["other"] != `a"b` {
		t.Errorf("%v", last)
	}
}

// TestCensusOfWorkers: goroutines of workers are kept up to a limit, because each may have labels of its own.
func TestCensusOfWorkers(t *testing.T) {
	var text strings.Builder
	text.WriteString("goroutine profile: total 1\n")
	for n := range workerLimit + 10 {
		fmt.Fprintf(&text, "1 @ 0x1\n# labels: {%q:\"jobs-%d\"}\n\n", workerLabel, n)
	}
	if c := parseCensus(strings.NewReader(text.String())); len(c.groups) != workerLimit || c.rest != 10 {
		t.Errorf("%d groups and %d left out", len(c.groups), c.rest)
	}
}
