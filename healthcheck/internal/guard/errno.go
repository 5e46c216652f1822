//go:build !plan9

package guard

import "syscall"

// Windows has its own numbers. No other system uses them.
var (
	refused     = isOne(syscall.ECONNREFUSED, syscall.Errno(10061))
	reset       = isOne(syscall.ECONNRESET, syscall.Errno(10054))
	unreachable = isOne(syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.Errno(10065), syscall.Errno(10051))
)
