package blackbox_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/blackbox"
)

func ExampleNew() {
	dir, err := os.MkdirTemp("", "blackbox")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	health := healthcheck.New(healthcheck.Config{})
	if err := health.Start(ctx); err != nil {
		panic(err)
	}
	defer health.Stop()
	box, err := blackbox.New(ctx, health, blackbox.Options{Dir: dir}) // in Kubernetes a volume
	if err != nil {
		panic(err)
	}
	defer box.Close()

	admin := http.NewServeMux() // of a listener for operators
	admin.Handle("/blackbox/", box)

	_, left := box.Previous()
	all, err := box.Records()
	fmt.Println(left, len(all), err)
	// Output: false 0 <nil>
}

func ExampleNewWorker() {
	health := healthcheck.New(healthcheck.Config{})
	jobs := blackbox.NewWorker(health, "jobs", time.Minute)
	defer jobs.Close()
	jobs.Do(context.Background(), func(context.Context) {
		for range 3 {
			fmt.Println("a part of the work")
			jobs.Beat()
		}
	})
	// Output:
	// a part of the work
	// a part of the work
	// a part of the work
}

// Another process reads what a Box has written, for example a job that collects records.
func ExampleRecords() {
	records, err := blackbox.Records("not-written-yet")
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(records), "records")
	for _, r := range records { // the newest first
		fmt.Println(r.Name, r.Summary)
	}
	// Output: 0 records
}
