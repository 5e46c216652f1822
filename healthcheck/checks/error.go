package checks

// typedError is an error with a class, which is shown where the text must not be.
type typedError struct {
	class string
	err   error
}

func (e typedError) Error() string { return e.err.Error() }

// Unwrap lets errors.Is and errors.As see the error.
func (e typedError) Unwrap() error { return e.err }

// ErrorType is what a Monitor and OpenTelemetry call the error.
func (e typedError) ErrorType() string { return e.class }
