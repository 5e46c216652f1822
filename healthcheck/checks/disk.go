package checks

import "context"

// DiskFree passes if at least the share min, from 0 to 1, of the file system at path is free. It looks at
// the bytes that a process without root may use, and at the inodes if the file system counts them. The
// class of the error is disk_full.
//
// The system call has no time limit. If a network file system hangs, the check times out and stays failed
// until the kernel answers. On other platforms than Linux, macOS, FreeBSD, DragonFly and Windows, every
// run fails.
func DiskFree(path string, min float64) func(context.Context) error {
	if path == "" {
		return invalid("checks.DiskFree: the path is empty")
	}
	if !(min > 0 && min < 1) {
		return invalid("checks.DiskFree: min: %v is not between 0 and 1", min)
	}
	return func(context.Context) error {
		left, err := space(path)
		if err != nil {
			return err
		}
		for _, l := range left {
			if share := float64(l.free) / float64(l.all); l.all != 0 && share < min {
				return fail("disk_full", "%s: %.1f %% of its %s are left, less than %.1f %%", path, 100*share, l.of, 100*min)
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
