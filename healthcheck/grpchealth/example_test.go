package grpchealth_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/grpchealth"
)

// running starts a Monitor without checks, and a gRPC server on loopback. end ends the Monitor's
// context, as SIGTERM does.
func running(register func(*grpc.Server, *healthcheck.Monitor)) (conn *grpc.ClientConn, end, stop func()) {
	health := healthcheck.New(healthcheck.Config{})
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
	ctx, end := context.WithCancel(context.Background())
	if err := health.Start(ctx); err != nil {
		panic(err)
	}
	return conn, end, func() {
		end()
		health.Stop()
		conn.Close()
		server.GracefulStop()
		<-served
	}
}

func ExampleRegister() {
	conn, end, stop := running(func(server *grpc.Server, health *healthcheck.Monitor) {
		grpchealth.Register(server, health, "shop.Orders")
	})
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := healthpb.NewHealthClient(conn)
	watch, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: "shop.Orders"})
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
		end()
	}
	list, err := client.List(ctx, &healthpb.HealthListRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, service := range []string{"", "shop.Orders", "liveness", "readiness", "startup"} {
		fmt.Printf("%q %v\n", service, list.Statuses[service].Status)
	}
	// Output:
	// SERVING
	// NOT_SERVING
	// "" NOT_SERVING
	// "shop.Orders" NOT_SERVING
	// "liveness" SERVING
	// "readiness" NOT_SERVING
	// "startup" SERVING
}

// A check of a server that this process calls.
func ExampleServing() {
	billing, end, stop := running(func(server *grpc.Server, health *healthcheck.Monitor) { grpchealth.Register(server, health) })
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	check := grpchealth.Serving(billing, "readiness")
	fmt.Println(check(ctx))
	end()
	for check(ctx) == nil { // the drain begins
	}
	fmt.Println(check(ctx))
	// Output:
	// <nil>
	// service "readiness" is NOT_SERVING
}
