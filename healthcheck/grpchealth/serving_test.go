package grpchealth_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otelhealth/otelhealth/healthcheck/grpchealth"
)

// TestServing: the answers of another server, and their classes for people on call.
func TestServing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, says := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(server, says)
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want := func(service, class string) {
		t.Helper()
		err := grpchealth.Serving(conn, service)(t.Context())
		if named, ok := errors.AsType[interface {
			error
			ErrorType() string
		}](err); class == "" && err != nil || class != "" && (!ok || named.ErrorType() != class) {
			t.Errorf("service %q: %v; want class %q", service, err, class)
		}
	}
	want("", "")
	want("orders", "NotFound")
	says.SetServingStatus("orders", healthpb.HealthCheckResponse_NOT_SERVING)
	want("orders", "NOT_SERVING")
	says.SetServingStatus("orders", healthpb.HealthCheckResponse_SERVING)
	want("orders", "")
	server.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	want("", "Unavailable")
	ended, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if err := grpchealth.Serving(conn, "")(ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after its time limit: %v", err)
	}
}
