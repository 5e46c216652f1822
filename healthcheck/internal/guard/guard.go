// Package guard runs foreign functions and classifies their errors. A panic or the end of the
// goroutine is an error. Its text is for operators, its class is bounded. Package guard holds no
// lock while foreign code runs, and does not know the purpose of that code.
package guard

import (
	"context"
	"errors"
	"fmt"
)

// errPanic is the error of a Func that panics.
type errPanic struct{ value any }

func (e errPanic) Error() string { return fmt.Sprint("panic: ", e.value) }

// errExit is the error of a Func that ends its goroutine by runtime.Goexit, as a test's FailNow
// does.
var errExit = errors.New("the check ended its goroutine")

// Start runs a foreign function in its own goroutine, which may never end. The channel is buffered,
// so the goroutine does not wait for a reader.
func Start(ctx context.Context, f func(context.Context) error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := errExit
		defer func() { done <- err }()
		err = Call(ctx, f)
	}()
	return done
}

// Call runs a foreign function. A panic becomes its error.
func Call(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic{p}
		}
	}()
	return f(ctx)
}
