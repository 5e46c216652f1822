package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

// maxClasses bounds the error.type values of one check.
const maxClasses = 16

// maxClass is the length of a class, in bytes.
const maxClass = 128

// Classes are the error.type values that one check has had.
type Classes map[string]bool

// Describe names an error for attributes and bodies, bounded and never its text. It gives
// the text too, for operators. An error is somebody else's code, and so is a nil
// pointer in an interface: its methods may panic.
func (c Classes) Describe(err error) (class, said string) {
	if err == nil {
		return "", ""
	}
	defer func() {
		if recover() != nil {
			class, said = c.bounded("panic"), fmt.Sprintf("panic in the methods of %T", err)
		}
	}()
	var p errPanic
	switch {
	case errors.As(err, &p):
		class = "panic"
	case errors.Is(err, context.DeadlineExceeded):
		class = "timeout"
	default:
		// One that is no UTF-8 would stop every export.
		class = text.Shorten(strings.ToValidUTF8(classOf(err), "?"), maxClass)
	}
	return c.bounded(class), err.Error()
}

// bounded is the class itself, or _OTHER once there are too many.
func (c Classes) bounded(class string) string {
	if !c[class] {
		if len(c) >= maxClasses {
			return conventions.ErrorTypeOther
		}
		c[class] = true
	}
	return class
}

// classOf is what an error calls its own type. Otherwise it is a class for the errors of Go's
// net, crypto and io/fs, because their types tell nothing to people on call, or the Go type.
func classOf(err error) string {
	if _, named := errors.AsType[typed](err); !named {
		for _, k := range known {
			if k.is(err) {
				return k.class
			}
		}
	}
	return typeOf(err)
}

// known are tried in this order: an error may be several of them.
var known = []struct {
	class string
	is    func(error) bool
}{
	{"canceled", isOne(context.Canceled)},
	{"connection_refused", refused},
	{"connection_reset", reset},
	{"unreachable", unreachable},
	{"name_not_found", func(err error) bool {
		dns, ok := errors.AsType[*net.DNSError](err)
		return ok && dns.IsNotFound
	}},
	{"timeout", func(err error) bool {
		late, ok := errors.AsType[net.Error](err)
		return ok && late.Timeout()
	}},
	{"name_resolution_error", isA[*net.DNSError]},
	{"server_certificate_invalid", isA[*tls.CertificateVerificationError]},
	{"permission_denied", isOne(fs.ErrPermission)},
	{"not_found", isOne(fs.ErrNotExist)},
}

func isOne(targets ...error) func(error) bool {
	return func(err error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// Kinds names the types of an error that may be several.
func Kinds(err error) string {
	var all []string
	var walk func(error)
	walk = func(err error) {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				walk(e)
			}
			return
		}
		name := fmt.Sprintf("%T", err)
		if p, ok := err.(errPanic); ok {
			name = "panic of " + panicText(p.value)
		}
		if !slices.Contains(all, name) && len(all) < maxClasses {
			all = append(all, name)
		}
	}
	walk(err)
	return strings.Join(all, ", ")
}
