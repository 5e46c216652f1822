package grpchealth_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/grpchealth"
)

// running starts a Monitor without checks, and a gRPC server on loopback.
func running(register func(*grpc.Server, *healthcheck.Monitor)) (health *healthcheck.Monitor, conn *grpc.ClientConn, stop func()) {
	reader := sdkmetric.NewManualReader()
	health = &healthcheck.Monitor{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Logger: slog.New(slog.DiscardHandler),
	}
	server := grpc.NewServer()
	register(server, health)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	if conn, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		panic(err)
	}
	if err := health.Start(context.Background(), reader); err != nil {
		panic(err)
	}
	return health, conn, func() {
		health.Stop()
		conn.Close()
		server.Stop()
		<-served
	}
}

func ExampleRegister() {
	health, conn, stop := running(func(server *grpc.Server, health *healthcheck.Monitor) {
		grpchealth.Register(server, health)
	})
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := healthpb.NewHealthClient(conn)
	watch, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: "readiness"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		now, err := watch.Recv()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(now.Status)
		health.Drain()
	}
	list, err := client.List(ctx, &healthpb.HealthListRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, service := range []string{"", "liveness", "readiness", "startup"} {
		fmt.Printf("%q %v\n", service, list.Statuses[service].Status)
	}
	// Output:
	// SERVING
	// NOT_SERVING
	// "" NOT_SERVING
	// "liveness" SERVING
	// "readiness" NOT_SERVING
	// "startup" SERVING
}

// Without a server: the service itself.
func ExampleNew() {
	service := grpchealth.New(&healthcheck.Monitor{}) // not started
	for _, name := range []string{"", "liveness", "orders"} {
		now, err := service.Check(context.Background(), &healthpb.HealthCheckRequest{Service: name})
		fmt.Println(now.GetStatus(), err)
	}
	// Output:
	// NOT_SERVING <nil>
	// SERVING <nil>
	// UNKNOWN rpc error: code = NotFound desc = unknown service; there are liveness, readiness and startup
}

// A check of a server that this process calls.
func ExampleCheck() {
	billing, conn, stop := running(func(server *grpc.Server, health *healthcheck.Monitor) { grpchealth.Register(server, health) })
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	check := grpchealth.Check(conn, "readiness")
	fmt.Println(check(ctx))
	billing.Drain()
	for range billing.Watch(ctx) {
		if billing.Status(healthcheck.Readiness) == healthcheck.Fail {
			break
		}
	}
	fmt.Println(check(ctx))
	// Output:
	// <nil>
	// service "readiness" is NOT_SERVING
}
