package guard

import (
	"errors"
	"fmt"
	"reflect"
)

// typed is an error with its own class, as OpenTelemetry's semconv.ErrorType reads it.
type typed interface {
	error
	ErrorType() string
}

// typeOf returns the error.type of an error: its own class, or else its Go type without the
// wrappers of fmt.Errorf.
func typeOf(err error) string {
	if e, ok := errors.AsType[typed](err); ok {
		if class := e.ErrorType(); class != "" {
			return class
		}
	}
	for reflect.TypeOf(err) == wrapped {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	t := reflect.TypeOf(err)
	if t.PkgPath() != "" && t.Name() != "" {
		return t.PkgPath() + "." + t.Name()
	}
	return t.String()
}

var wrapped = reflect.TypeOf(fmt.Errorf("%w", errors.ErrUnsupported))
