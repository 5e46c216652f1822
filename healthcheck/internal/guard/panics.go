// Package panics tells of a recovered panic without what its value may hold: a
// password is often in the text of an error.
package panics

import (
	"fmt"
	"runtime"
)

// Kind is what may be told to anybody: the text of the runtime's own errors, the
// type of others.
func Kind(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}
