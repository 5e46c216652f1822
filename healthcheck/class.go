package healthcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// errPanic is a panic of a check's Func.
type errPanic struct{ value any }

func (e errPanic) Error() string { return fmt.Sprint("panic: ", e.value) }

// errExit is the end of a Func by runtime.Goexit, as a test's FailNow does it.
var errExit = errors.New("the check ended its goroutine")

// maxClasses bounds the error.type values of one check.
const maxClasses = 16

// describe names an error for attributes and bodies, bounded and never its text;
// and gives its text, for operators. An error is somebody else's code, and a nil
// pointer in an interface is one, too: its methods may panic.
func (r *runner) describe(err error) (class, said string) {
	if err == nil {
		return "", ""
	}
	defer func() {
		if recover() != nil {
			class, said = r.bounded("panic"), fmt.Sprintf("panic in the methods of %T", err)
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
		class = text.Shorten(strings.ToValidUTF8(classOf(err), "?"), 2*maxName)
	}
	return r.bounded(class), err.Error()
}

// bounded is the class itself, or _OTHER once there are too many.
func (r *runner) bounded(class string) string {
	if !r.classes[class] {
		if len(r.classes) >= maxClasses {
			return semconv.ErrorTypeOther.Value.AsString()
		}
		r.classes[class] = true
	}
	return class
}

// classOf is what an error calls its own type, or what is known of the errors of
// Go's net, crypto and io/fs, whose types say nothing to who is on call, or the Go
// type.
func classOf(err error) string {
	if _, named := errors.AsType[interface {
		error
		ErrorType() string
	}](err); !named {
		for _, k := range known {
			if k.is(err) {
				return k.class
			}
		}
	}
	return semconv.ErrorType(err).Value.AsString()
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
