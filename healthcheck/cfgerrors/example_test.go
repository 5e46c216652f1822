package cfgerrors_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
)

// A tool that points to each mistake.
func ExampleAll() {
	health := healthcheck.New(healthcheck.Config{Checks: []healthcheck.Check{{Name: "database", Interval: -time.Second}}})
	err := health.Start(context.Background())
	for mistake := range cfgerrors.All(err) {
		fmt.Printf("field %s of %s: %s\n", mistake.Field, mistake.Item, mistake.Problem)
		fmt.Println(mistake.Error())
	}
	fmt.Println(errors.Is(err, cfgerrors.ErrStarted))
	// Output:
	// field Func of database: is nil
	// database: Func: is nil
	// field Interval of database: -1s is negative
	// database: Interval: -1s is negative
	// false
}
