//go:build !unix

package operator

const nonblock = 0
