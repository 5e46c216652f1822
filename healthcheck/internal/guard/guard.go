// Package guard runs functions that are not ours and names their errors. A panic, or the end
// of the goroutine, is an error; its text is for operators, its class is bounded. It holds no
// lock while foreign code runs, and knows nothing of what the code is for.
package guard

import (
	"context"
	"errors"
	"fmt"
)

// errPanic is a panic of a check's Func.
type errPanic struct{ value any }

func (e errPanic) Error() string { return fmt.Sprint("panic: ", e.value) }

// errExit is the end of a Func by runtime.Goexit, as a test's FailNow does it.
var errExit = errors.New("the check ended its goroutine")

// Start runs a function of somebody else in a goroutine of its own, which may never end.
// The channel takes its error without waiting for a reader.
func Start(ctx context.Context, f func(context.Context) error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := errExit
		defer func() { done <- err }()
		err = Call(ctx, f)
	}()
	return done
}

// Call runs a function of somebody else. A panic is its error.
func Call(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic{p}
		}
	}()
	return f(ctx)
}
