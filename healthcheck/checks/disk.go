package checks

import (
	"context"
)

// Disk passes while at least the share free, from 0 to 1, is left of the file
// system that holds path: of its bytes that a process which is not root may use,
// and of its inodes, where it counts them.
//
// The kernel is asked without a time limit: for a network file system that hangs,
// the check times out and stays failed until the kernel answers. Where the
// platform can't tell (neither Unix nor Windows), each run fails.
func Disk(path string, free float64) func(context.Context) error {
	if path == "" {
		return invalid("checks.Disk: the path is empty")
	}
	if !(free > 0 && free < 1) {
		return invalid("checks.Disk: free: %v is not between 0 and 1", free)
	}
	return func(context.Context) error {
		left, err := space(path)
		if err != nil {
			return err
		}
		for _, l := range left {
			if share := float64(l.free) / float64(l.all); l.all != 0 && share < free {
				return fail("disk_full", "%s: %.1f %% of its %s are left, less than %.1f %%", path, 100*share, l.of, 100*free)
			}
		}
		return nil
	}
}

// An amount is how much of something is left.
type amount struct {
	of        string
	free, all uint64
}
