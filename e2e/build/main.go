// Command build builds the servers that the tests start, before their time limits
// run: go run ./build in e2e.
package main

import (
	"log"
	"maps"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

func main() {
	log.SetFlags(0)
	for _, name := range slices.Sorted(maps.Keys(servers.All)) {
		start := time.Now()
		path, err := servers.Prepare("..", name, nil)
		if err != nil {
			log.Fatal(err)
		}
		log.Printf("%s after %v", path, time.Since(start).Round(time.Second))
	}
}
