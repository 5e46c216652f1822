//go:build unix

package healthcheck

import (
	"syscall"
	"time"
)

// cpu returns the CPU time of this process. All instances of a fleet are in it.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
