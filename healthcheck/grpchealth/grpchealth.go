// Package grpchealth answers grpc.health.v1 from the same verdict as the HTTP
// probes, for Kubernetes' grpc probes, Envoy and gRPC clients that look at the
// health of a backend:
//
//	server := grpc.NewServer()
//	grpchealth.Register(server, health)
//
// The services are liveness, readiness and startup; the empty one is readiness. A
// probe that passes or warns is SERVING, one that fails NOT_SERVING.
//
// [Check] is the other direction: a check of a server that this process calls.
package grpchealth

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/otelhealth/otelhealth/healthcheck"
)

// Server is the service. Its methods are safe for concurrent use, before the
// Monitor has started and after it has stopped too.
type Server struct {
	healthpb.UnimplementedHealthServer
	monitor *healthcheck.Monitor
}

// New makes the service of a Monitor.
func New(m *healthcheck.Monitor) *Server { return &Server{monitor: m} }

// Register adds the service of a Monitor to a server.
func Register(s grpc.ServiceRegistrar, m *healthcheck.Monitor) {
	healthpb.RegisterHealthServer(s, New(m))
}

var services = map[string]healthcheck.Probe{
	"":          healthcheck.Readiness,
	"liveness":  healthcheck.Liveness,
	"readiness": healthcheck.Readiness,
	"startup":   healthcheck.Startup,
}

func (s *Server) status(p healthcheck.Probe) healthpb.HealthCheckResponse_ServingStatus {
	if s.monitor.Status(p) == healthcheck.Fail {
		return healthpb.HealthCheckResponse_NOT_SERVING
	}
	return healthpb.HealthCheckResponse_SERVING
}

// Check answers for one service; NotFound for one that there is not.
func (s *Server) Check(_ context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	p, known := services[in.GetService()]
	if !known {
		return nil, status.Error(codes.NotFound, "unknown service; there are liveness, readiness and startup")
	}
	return &healthpb.HealthCheckResponse{Status: s.status(p)}, nil
}

// List answers for all services.
func (s *Server) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	all := map[string]*healthpb.HealthCheckResponse{}
	for name, p := range services {
		all[name] = &healthpb.HealthCheckResponse{Status: s.status(p)}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

// Watch sends the status of a service now and whenever it changes. Of a service
// that there is not it says SERVICE_UNKNOWN and waits, as the protocol asks. It
// ends with Unavailable once the Monitor has stopped, so that a server's
// GracefulStop does not wait for watchers.
func (s *Server) Watch(in *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	p, known := services[in.GetService()]
	said := healthpb.HealthCheckResponse_UNKNOWN
	tell := func() error {
		now := healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		if known {
			now = s.status(p)
		}
		if now == said {
			return nil
		}
		said = now
		return stream.Send(&healthpb.HealthCheckResponse{Status: now})
	}
	if err := tell(); err != nil { // before there is any verdict
		return err
	}
	for range s.monitor.Watch(stream.Context()) {
		if err := tell(); err != nil {
			return err
		}
	}
	if err := stream.Context().Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Unavailable, "the process is about to end")
}
