package checks

import (
	"context"
	"fmt"
)

// Class gives an error a class. Responses and metrics show the class as error.type, instead of the
// text. Unwrap returns the error itself. For a warning, wrap the result in Warning.
// Class(nil, class) is nil.
//
// Use few classes, and never make one from data: the Monitor cuts a class to 128 bytes, and
// replaces new classes after a check's sixteenth with _OTHER. A run that exceeds its timeout always
// has the class timeout.
//
// An error with a method ErrorType() string has a class already.
func Class(err error, class string) error {
	if err == nil || class == "" {
		return err
	}
	return classed{err, class}
}

type classed struct {
	err   error
	class string
}

func (c classed) Error() string     { return c.err.Error() }
func (c classed) Unwrap() error     { return c.err }
func (c classed) ErrorType() string { return c.class }

// fail makes an error with a class. Errors of the network and of the file system need none, because
// the Monitor knows them.
func fail(class, format string, args ...any) error {
	return Class(fmt.Errorf(format, args...), class)
}

// invalid is a check that always fails, because its arguments can't be right.
func invalid(format string, args ...any) func(context.Context) error {
	err := fail("invalid_argument", format, args...)
	return func(context.Context) error { return err }
}
