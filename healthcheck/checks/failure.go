package checks

import (
	"context"
	"fmt"
)

// fail names the error.type. Errors of the network and of the file system are left as
// they are: the Monitor knows them.
func fail(class, format string, args ...any) error {
	return typedError{class: class, err: fmt.Errorf(format, args...)}
}

// invalid is a check that can't work, whatever it asks.
func invalid(format string, args ...any) func(context.Context) error {
	err := fail("invalid_argument", format, args...)
	return func(context.Context) error { return err }
}
