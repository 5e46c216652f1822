//go:build darwin || dragonfly || freebsd || linux

package checks

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

func space(path string) ([]amount, error) {
	var s unix.Statfs_t
	for {
		err := unix.Statfs(path, &s)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return nil, &fs.PathError{Op: "statfs", Path: path, Err: err}
		}
	}
	// As df does, ignore the blocks that are reserved for root.
	usable := uint64(s.Bavail) + uint64(s.Blocks) - uint64(s.Bfree)
	return []amount{{"bytes", uint64(max(s.Bavail, 0)), usable}, {"inodes", uint64(s.Ffree), uint64(s.Files)}}, nil
}
