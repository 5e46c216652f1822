package guard

import (
	"fmt"
	"runtime"
)

// panicText is the part of a recovered panic that anybody may read: the text of the runtime's
// own errors, the type of others. The text of another error often has a password in it.
func panicText(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}
