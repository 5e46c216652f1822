package grpctelemetry_test

import (
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"

	"github.com/otelhealth/otelhealth/telemetry/grpctelemetry"
)

// With telemetry.Start the providers are tel.MeterProvider and tel.TracerProvider. A rule on
// rule.Last("rpc.server.oldest_call.age") sees calls that hang.
func ExampleNewServerHandler() {
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	calls, err := grpctelemetry.NewServerHandler(grpctelemetry.Config{MeterProvider: provider})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer(grpc.StatsHandler(calls))
	defer server.Stop()
	fmt.Println("each call is measured")
	// Output: each call is measured
}
