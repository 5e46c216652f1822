// Command build builds the programs that the tests start, so the build does not count towards a
// test's time limit: go run ./build [NAME...] in e2e. It prints their paths.
package main

import (
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/otelhealth/otelhealth/e2e/servers"
)

func main() {
	log.SetFlags(0)
	names := os.Args[1:]
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(servers.All))
	}
	for _, name := range names {
		start := time.Now()
		if _, ok := servers.All[name]; !ok {
			log.Fatalf("unknown program %q", name)
		}
		path, err := servers.Prepare("..", name, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(path)
		log.Printf("%s after %v", name, time.Since(start).Round(time.Second))
	}
}
