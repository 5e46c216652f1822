package e2e

import (
	"flag"
	"time"
)

var long = flag.Bool("long", false, "let outages and the like last as long as they do in earnest")

// lasting is how long something lasts, in earnest or, by default, in short.
func lasting(short, earnest time.Duration) time.Duration {
	if *long {
		return earnest
	}
	return short
}
