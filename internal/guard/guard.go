// Package guard is the only place that calls foreign code: checks, the methods of their errors, log
// handlers, span processors, views and callbacks of users. Such code may panic, end its goroutine, block
// for ever, call the Monitor, or return 10 MB. Then only its own answer is lost, and the caller gets a
// [Fault].
//
// There are three forms. [Inline] is for code that has no reason to block. It runs on the goroutine of a
// user. [Site.Run] and [Ask] are for the rest: they have a goroutine and a deadline, and leave at most one
// hung call behind. [Do] is for callers with their own goroutine and deadline. Texts are cut to [MaxText].
// Package guard holds no lock while foreign code runs, and does not know the purpose of that code.
package guard

import (
	"context"
	"reflect"
	"runtime"
)

// Inline runs f on the caller's goroutine, and returns a panic as a Fault. Nothing can stop a
// runtime.Goexit of f: it ends the caller's goroutine, and only deferred functions of the caller run.
func Inline(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	f()
	return nil
}

// Call is Inline for a function with an error.
func Call(ctx context.Context, f func(context.Context) error) (err error) {
	if fault := Inline(func() { err = f(ctx) }); fault != nil {
		return fault
	}
	return err
}

// Start runs a foreign function in its own goroutine, which may never end. The channel is buffered,
// so the goroutine does not wait for a reader. A Fault has the name of the function in named.
func Start(ctx context.Context, f func(context.Context) error, named any) <-chan error {
	done := make(chan error, 1)
	go Do(func() error { return f(ctx) }, func(err error) {
		if fault, is := err.(*Fault); is && named != nil {
			err = fault.in(named)
		}
		done <- err
	})
	return done
}

// Do runs f on the caller's goroutine, which the caller has made for it. Then it calls end with the error or
// the Fault of f, even if f ends the goroutine.
func Do(f func() error, end func(error)) {
	var err error
	returned := false
	defer func() {
		if !returned {
			err = fault(recover())
		}
		end(err)
	}()
	err = f()
	returned = true
}

// NameOf returns the name of a function, as in a stack trace.
func NameOf(f any) string {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}
	if fn := runtime.FuncForPC(v.Pointer()); fn != nil {
		return fn.Name()
	}
	return ""
}
