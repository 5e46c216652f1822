// Command calls is a gRPC server that ends as docs/load-balancers.md says: it drains, and then
// GracefulStop sends its clients away. Its only calls are those of the health protocol.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/grpchealth"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context) error {
	calls, err := net.Listen("tcp", ":9000")
	if err != nil {
		return err
	}
	probes, err := net.Listen("tcp", ":8000")
	if err != nil {
		return err
	}
	health := healthcheck.New(healthcheck.Config{DrainDelay: 10 * time.Second})
	if err := health.Start(ctx); err != nil {
		return err
	}
	server := grpc.NewServer()
	grpchealth.Register(server, health)
	served := make(chan error, 1)
	go func() { served <- server.Serve(calls) }()
	err = health.Serve(&http.Server{Handler: health.Wrap(nil), ReadHeaderTimeout: 5 * time.Second}, probes)
	server.GracefulStop()
	return errors.Join(err, <-served)
}
