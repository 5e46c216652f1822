package guard

import (
	"reflect"
	"runtime"
	"strings"
)

// The kinds of a Fault.
const (
	Stale  = "stale"  // this call or an earlier one has not returned in time
	Panic  = "panic"  // the code panicked
	Exited = "exited" // the code ended its goroutine by runtime.Goexit, as a test's FailNow does
)

// A Fault is the error of foreign code that did not answer. It contains no value of that code: the methods
// of such a value are foreign too, and its text often contains a password.
type Fault struct {
	Kind  string
	Value string // of a panic: the type of the value, or the text of the runtime's own error
	Func  string // the function, if it is known
}

// Error is "panic of *errors.errorString in main.ping".
func (f *Fault) Error() string {
	text := "has not returned in time"
	switch f.Kind {
	case Panic:
		text = "panic of " + f.Value
	case Exited:
		text = "ended its goroutine"
	}
	if f.Func != "" {
		text += " in " + f.Func
	}
	return text
}

func (f *Fault) in(function any) *Fault {
	f.Func = NameOf(function)
	return f
}

// fault returns the fault of a function that has ended without returning, by the recovered value.
func fault(recovered any) *Fault {
	if recovered == nil {
		return &Fault{Kind: Exited}
	}
	return panicked(recovered)
}

func panicked(value any) *Fault { return &Fault{Kind: Panic, Value: valueText(value)} }

// Recovered returns the fault of a panic that the caller has recovered.
func Recovered(value any) *Fault { return panicked(value) }

// valueText returns the public part of a recovered panic: the text of the runtime's own errors, or the type
// of others. It checks the package, because a foreign type may also implement runtime.Error.
func valueText(value any) string {
	t := reflect.TypeOf(value)
	if t == nil {
		return "nil"
	}
	own := t
	if own.Kind() == reflect.Pointer {
		own = own.Elem()
	}
	if err, ok := value.(runtime.Error); ok && own.PkgPath() == "runtime" {
		return Cut(err.Error())
	}
	return typeText(t)
}

// typeText returns the name of a type. An unnamed type has a long one, so it is cut.
func typeText(t reflect.Type) string { return Cut(strings.ToValidUTF8(t.String(), "?")) }
