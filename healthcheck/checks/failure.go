package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// A failure is an error that names its error.type.
type failure struct {
	class string
	error
}

func (f failure) ErrorType() string { return f.class }
func (f failure) Unwrap() error     { return f.error }

func fail(class, format string, args ...any) error {
	return failure{class, fmt.Errorf(format, args...)}
}

// invalid is a check that can't work, whatever it asks.
func invalid(format string, args ...any) func(context.Context) error {
	err := fail("invalid_argument", format, args...)
	return func(context.Context) error { return err }
}

// classes are tried in this order: an error may be several of them.
var classes = []struct {
	name string
	is   func(error) bool
}{
	{"canceled", of(context.Canceled)},
	{"connection_refused", of(syscall.ECONNREFUSED)},
	{"connection_reset", of(syscall.ECONNRESET)},
	{"unreachable", of(syscall.EHOSTUNREACH)},
	{"unreachable", of(syscall.ENETUNREACH)},
	{"name_not_found", func(err error) bool {
		dns, ok := errors.AsType[*net.DNSError](err)
		return ok && dns.IsNotFound
	}},
	{"timeout", func(err error) bool {
		slow, ok := errors.AsType[net.Error](err)
		return ok && slow.Timeout()
	}},
	{"name_resolution_error", as[*net.DNSError]},
	{"server_certificate_invalid", as[*tls.CertificateVerificationError]},
	{"server_certificate_invalid", as[x509.CertificateInvalidError]},
	{"permission_denied", of(fs.ErrPermission)},
	{"not_found", of(fs.ErrNotExist)},
}

func of(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// classify lets an error of the network or of the file system name its error.type;
// net.OpError says nothing to who is on call.
func classify(err error) error {
	if err == nil {
		return nil
	}
	for _, c := range classes {
		if c.is(err) {
			return failure{c.name, err}
		}
	}
	return err
}
