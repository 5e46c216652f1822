package e2e

import (
	"flag"
	"time"
)

var long = flag.Bool("long", false, "give faults and outages their real length")

// lasting returns short, or real with -long.
func lasting(short, real time.Duration) time.Duration {
	if *long {
		return real
	}
	return short
}
