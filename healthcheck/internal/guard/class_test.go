package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// TestErrorClasses: the number and the length of classes are limited.
func TestErrorClasses(t *testing.T) {
	r := &Errors{}
	class := func(r *Errors, err error) string { return r.Describe(err).Class }
	seen := map[string]bool{}
	for n := range 100 {
		seen[class(r, classed(fmt.Sprint("class-", n)))] = true
	}
	fresh := &Errors{}
	if got := class(fresh, classed("\xff"+strings.Repeat("x", 1000))); !utf8.ValidString(got) || len(got) > maxClass {
		t.Errorf("an unruly class is %q", got)
	}
	if len(seen) != maxClasses+1 || !seen["_OTHER"] {
		t.Errorf("%d classes", len(seen))
	}
	if got := class(r, fmt.Errorf("query: %w", context.DeadlineExceeded)); got != "_OTHER" && got != "timeout" {
		t.Errorf("a deadline is %q", got)
	}
}

// TestKnownErrors: people on call see the kind of failure, and not a Go type.
func TestKnownErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, refused := net.Dial("tcp", address)
	_, none := os.Open(filepath.Join(t.TempDir(), "none"))
	late, closed := net.Pipe()
	defer closed.Close()
	_ = late.SetReadDeadline(time.Unix(1, 0))
	_, slow := late.Read(make([]byte, 1))
	r := &Errors{}
	for want, err := range map[string]error{
		"connection_refused":         refused,
		"connection_reset":           &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"unreachable":                &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)},
		"not_found":                  none,
		"permission_denied":          &fs.PathError{Err: syscall.EACCES},
		"timeout":                    slow,
		"name_not_found":             &net.DNSError{IsNotFound: true},
		"name_resolution_error":      &net.DNSError{IsTemporary: true},
		"server_certificate_invalid": &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"canceled":                   context.Canceled,
		"mine":                       errors.Join(refused, classed("mine")), // its own class comes first
		"*errors.errorString":        errors.New("hunter2"),
	} {
		if err == nil {
			t.Fatal(want)
		}
		for _, e := range []error{fmt.Errorf("ping: %w", err), fmt.Errorf("ping: %w", Warning{err})} {
			if got := r.Describe(e).Class; got != want {
				t.Errorf("%v is %q; want %q", e, got, want)
			}
		}
	}
}

type classed string

func (c classed) Error() string     { return "hunter2" }
func (c classed) ErrorType() string { return string(c) }
