package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
func (r *runner) describe(err error) (class, text string) {
	if err == nil {
		return "", ""
	}
	defer func() {
		if recover() != nil {
			class, text = r.bounded("panic"), fmt.Sprintf("panic in the methods of %T", err)
		}
	}()
	var p errPanic
	switch {
	case errors.As(err, &p):
		class = "panic"
	case errors.Is(err, context.DeadlineExceeded):
		class = "timeout"
	default:
		// An error may name its own type; one that is no UTF-8 would stop every export.
		class = shorten(strings.ToValidUTF8(semconv.ErrorType(err).Value.AsString(), "?"), 2*maxName)
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
