package checks

import (
	"context"
	"fmt"
)

// A failure is an error that names its error.type. Those of the network and of the
// file system are left as they are: the Monitor knows them.
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
