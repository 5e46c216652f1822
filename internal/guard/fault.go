package guard

import (
	"reflect"
	"runtime"
	"strings"
)

// The kinds of a Fault.
const (
	Stale  = "stale"  // it has not returned in time, or an earlier call has not
	Panic  = "panic"  // it panicked
	Exited = "exited" // it ended its goroutine by runtime.Goexit, as a test's FailNow does
)

// A Fault is what foreign code did instead of answering. It has no value of that code, because the
// methods of a value are foreign too, and its text often contains a password.
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

// fault is the fault of a function that has not returned, by its recovered value.
func fault(recovered any) *Fault {
	if recovered == nil {
		return &Fault{Kind: Exited}
	}
	return panicked(recovered)
}

func panicked(value any) *Fault { return &Fault{Kind: Panic, Value: valueText(value)} }

// Recovered is the fault of code whose panic the caller has recovered.
func Recovered(value any) *Fault { return panicked(value) }

// valueText is the public part of a recovered panic: the text of the runtime's own errors, or the
// type of others. A foreign type may also claim to be an error of the runtime.
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

// typeText is the name of a type, which may be a long one without a name of its own.
func typeText(t reflect.Type) string { return Cut(strings.ToValidUTF8(t.String(), "?")) }
