//go:build unix

package blackbox

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
)

// TestErrnoClass: errors of a disk have a class for health.blackbox.records. Other errors have none.
func TestErrnoClass(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOSPC: "disk_full", syscall.EDQUOT: "disk_full", syscall.EFBIG: "disk_full", syscall.EROFS: "read_only",
		syscall.ENOTDIR: "not_a_directory", syscall.EIO: "io_error", syscall.EACCES: "", errors.New("x"): "",
	} {
		if got := errnoClass(&fs.PathError{Op: "write", Path: "/data", Err: err}); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}
