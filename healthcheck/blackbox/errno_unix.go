//go:build unix

package blackbox

import (
	"errors"
	"syscall"
)

func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// errnoClass returns the error.type of an error of a disk; empty for other errors.
func errnoClass(err error) string {
	switch {
	case noRoom(err):
		return "disk_full"
	case errors.Is(err, syscall.EROFS):
		return "read_only"
	case errors.Is(err, syscall.ENOTDIR):
		return "not_a_directory"
	case errors.Is(err, syscall.EIO):
		return "io_error"
	}
	return ""
}
