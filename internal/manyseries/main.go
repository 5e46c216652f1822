// Command manyseries exports 19,000 histogram series, some 7 MB, and ends. A test in e2e runs it
// with a real collector.
package main

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhealth/otelhealth/telemetry"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	tel, err := telemetry.Start(ctx, telemetry.Config{ServiceName: "manyseries"})
	if err != nil {
		return err
	}
	meter := tel.MeterProvider.Meter("manyseries")
	for n := range 10 {
		h, err := meter.Float64Histogram(fmt.Sprintf("many.%d", n))
		if err != nil {
			return err
		}
		for s := range 1900 { // the SDK's limit is 2000
			h.Record(ctx, float64(s), metric.WithAttributes(attribute.Int("series", s), attribute.String("tenant", strings.Repeat("x", 120))))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return tel.Shutdown(ctx)
}
