// Package failure has the error of a check that names its error.type.
package failure

// Error is an error with a class, which is shown where the text must not be.
type Error struct {
	Class string
	Err   error
}

func (e Error) Error() string { return e.Err.Error() }

// Unwrap lets errors.Is and errors.As see the error.
func (e Error) Unwrap() error { return e.Err }

// ErrorType is what a Monitor and OpenTelemetry call the error.
func (e Error) ErrorType() string { return e.Class }
