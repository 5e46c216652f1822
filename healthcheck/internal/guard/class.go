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

// Describe returns the class of an error for attributes and bodies, and its text for operators. The
// class is bounded and never the text. An error is foreign code, and so is a nil pointer in an
// interface: their methods may panic.
func (c Classes) Describe(err error) (class, message string) {
	if err == nil {
		return "", ""
	}
	defer func() {
		if recover() != nil {
			class, message = c.bounded("panic"), fmt.Sprintf("panic in the methods of %T", err)
		}
	}()
	var p errPanic
	switch {
	case errors.As(err, &p):
		class = "panic"
	case errors.Is(err, context.DeadlineExceeded):
		class = "timeout"
	default:
		// Invalid UTF-8 would stop every export.
		class = text.Shorten(strings.ToValidUTF8(classOf(err), "?"), maxClass)
	}
	return c.bounded(class), err.Error()
}

// bounded returns the class, or _OTHER after the first 16 classes.
func (c Classes) bounded(class string) string {
	if !c[class] {
		if len(c) >= maxClasses {
			return conventions.ErrorTypeOther
		}
		c[class] = true
	}
	return class
}

// classOf returns the error's own class, if it has one. Errors of Go's net, crypto and io/fs have a
// class, because their types tell nothing to people on call. Any other error has its Go type.
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

// known is tried in this order, because an error may match several.
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

// Kinds returns the types of an error and of all errors joined in it.
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
