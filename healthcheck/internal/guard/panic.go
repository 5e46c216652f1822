package guard

import (
	"fmt"
	"runtime"
)

// panicText is the public part of a recovered panic: the text of the runtime's own errors, or the
// type of others, because their text often contains a password.
func panicText(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}
