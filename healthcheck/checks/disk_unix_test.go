//go:build darwin || dragonfly || freebsd || linux

package checks

import (
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
)

// TestSpace: bytes and inodes are the same as those of df.
func TestSpace(t *testing.T) {
	got, err := space("/")
	if err != nil || len(got) != 2 || got[0].of != "bytes" || got[1].of != "inodes" {
		t.Fatal(got, err)
	}
	for n, flag := range []string{"-Pk", "-Pi"} {
		out, err := exec.CommandContext(t.Context(), "df", flag, "/").Output()
		lines := strings.Split(string(out), "\n")
		if err != nil || len(lines) < 2 {
			t.Skipf("df %s: %v: %s", flag, err, out)
		}
		var name string
		var all, used, free float64
		if _, err := fmt.Sscan(lines[1], &name, &all, &used, &free); err != nil || used+free == 0 {
			t.Skipf("df %s says %q", flag, lines[1])
		}
		want, share := free/(used+free), float64(got[n].free)/float64(got[n].all)
		if math.Abs(share-want) > .01 { // other processes write meanwhile
			t.Errorf("%.4f of the %s are left; df says %.4f", share, got[n].of, want)
		}
	}
}
