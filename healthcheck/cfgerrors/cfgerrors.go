// Package cfgerrors has the errors of healthcheck.Monitor's methods, for tests and tools that must
// distinguish them. The texts may change. The types, the fields and the variables stay.
package cfgerrors

import (
	"errors"
	"iter"
)

// A call before Start, after Start or after Stop may return one of these errors. The text around it has
// the line to write. Match them with [errors.Is].
var (
	ErrStarted    = errors.New("the Monitor has started already")
	ErrNotStarted = errors.New("the Monitor has not started")
	ErrStopped    = errors.New("the Monitor has stopped")
)

// Error is one mistake in a configuration. Start returns all mistakes at once.
type Error struct {
	Item    string // name of the check, rule, heartbeat or queue; empty for the Monitor's own configuration
	Field   string // the field, method, file or variable that has the mistake, such as "Interval"
	Problem string // text for people
}

// Error returns a text such as "database: Interval: -1s is negative".
func (e *Error) Error() string {
	if e.Item == "" {
		return e.Field + ": " + e.Problem
	}
	return e.Item + ": " + e.Field + ": " + e.Problem
}

// All yields each mistake in an error of Start, Add or AddRule, in the order of the
// configuration. It yields nothing for nil and for errors of another kind.
func All(err error) iter.Seq[*Error] {
	return func(yield func(*Error) bool) { walk(err, yield) }
}

func walk(err error, yield func(*Error) bool) (more bool) {
	if e, ok := err.(*Error); ok {
		return yield(e)
	}
	switch wrapper := err.(type) {
	case interface{ Unwrap() []error }:
		for _, e := range wrapper.Unwrap() {
			if !walk(e, yield) {
				return false
			}
		}
	case interface{ Unwrap() error }:
		return walk(wrapper.Unwrap(), yield)
	}
	return true
}
