package checks

import (
	"context"
	"fmt"
)

// Class gives an error a class. Metrics and spans have the class as error.type, and responses and logs
// have it in the reason; none of them has the text. Unwrap returns the error itself. For a warning, write
// Warning(Class(err, class)). Class(nil, class) is nil.
//
// Use few classes, and never make one from data: the Monitor cuts a class to 128 bytes, and after the
// first 16 classes of a check a new one becomes _OTHER. A run that exceeds its timeout always
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

// fail makes an error with a class. Errors of the network and of the file system need no class from
// here, because the Monitor knows them.
func fail(class, format string, args ...any) error {
	return Class(fmt.Errorf(format, args...), class)
}

// invalid returns a check that always fails, because an argument is invalid.
func invalid(format string, args ...any) func(context.Context) error {
	err := fail("invalid_argument", format, args...)
	return func(context.Context) error { return err }
}
