package checks

import (
	"context"
	"fmt"
)

// Class gives an error the class that answers and metrics show instead of its text: the
// error.type. Unwrap gives the error itself. For a warning, put healthcheck.Warning around it.
// Class(nil, class) is nil.
//
// A check should have few classes, and none that is made of data: the Monitor cuts a class to
// 128 bytes, and calls those after a check's sixteenth _OTHER. A run that was out of time is a
// timeout, whatever class its error has.
//
// An error that has a method ErrorType() string has a class already.
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

// fail is an error with a class. Errors of the network and of the file system are left as they
// are, because the Monitor knows them.
func fail(class, format string, args ...any) error {
	return Class(fmt.Errorf(format, args...), class)
}

// invalid is a check that can't work, whatever it asks.
func invalid(format string, args ...any) func(context.Context) error {
	err := fail("invalid_argument", format, args...)
	return func(context.Context) error { return err }
}
