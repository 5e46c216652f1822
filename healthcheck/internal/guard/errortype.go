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

// A Warning is the error of a run that works, but badly. It has the class of Err.
type Warning struct{ Err error }

func (w Warning) Error() string { return w.Err.Error() }
func (w Warning) Unwrap() error { return w.Err }

// typeOf returns the Go type of an error without the wrappers of fmt.Errorf and without a Warning.
func typeOf(err error) string {
	for reflect.TypeOf(err) == wrapped || reflect.TypeOf(err) == warned {
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

var (
	wrapped = reflect.TypeOf(fmt.Errorf("%w", errors.ErrUnsupported))
	warned  = reflect.TypeFor[Warning]()
)
