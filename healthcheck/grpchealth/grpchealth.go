// Package grpchealth answers grpc.health.v1 from the same verdict as the HTTP probes, for
// Kubernetes' grpc probes, Envoy and gRPC clients that check their backends:
//
//	server := grpc.NewServer()
//	grpchealth.Register(server, health)
//
// [Serving] is the opposite: a check of a gRPC server that this process calls.
package grpchealth

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/verdict"
)

// Register adds the health service of a Monitor to a server, before or after the Monitor starts. It
// answers for liveness, readiness and startup. The empty name and the given names, such as those of
// your services, stand for readiness. Any other name is NotFound.
//
// A probe that passes or warns is SERVING. A probe that fails is NOT_SERVING. Readiness is also
// NOT_SERVING before the Monitor has started and after it has stopped.
//
// Watch sends the status of a service at once and after every change. For an unknown name it sends
// SERVICE_UNKNOWN and keeps the stream open, as the protocol requires. All streams end with Unavailable
// when the Monitor has drained or stopped, so a server's GracefulStop does not wait for them:
//
//	<-health.Drained()
//	server.GracefulStop()
//	health.Stop()
func Register(s grpc.ServiceRegistrar, m *healthcheck.Monitor, names ...string) {
	service := &service{monitor: m, probes: map[string]probe{}}
	for _, name := range names {
		service.probes[name] = readiness
	}
	service.probes[""], service.probes["readiness"] = readiness, readiness
	service.probes["liveness"] = func(v *verdict.Verdict) verdict.State { return v.Liveness.State }
	service.probes["startup"] = func(v *verdict.Verdict) verdict.State { return v.Startup.State }
	healthpb.RegisterHealthServer(s, service)
}

// service is grpc.health.v1. Its methods may be called at any time, from any goroutine.
type service struct {
	healthpb.UnimplementedHealthServer
	monitor *healthcheck.Monitor
	probes  map[string]probe // by name; never changed
}

// A probe reads one state from a verdict.
type probe func(*verdict.Verdict) verdict.State

func readiness(v *verdict.Verdict) verdict.State { return v.Readiness.State }

func (p probe) status(v *verdict.Verdict) healthpb.HealthCheckResponse_ServingStatus {
	if p(v) == verdict.Fail {
		return healthpb.HealthCheckResponse_NOT_SERVING
	}
	return healthpb.HealthCheckResponse_SERVING
}

// Check answers for one service.
func (s *service) Check(_ context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	p, known := s.probes[in.GetService()]
	if !known {
		return nil, status.Error(codes.NotFound, "unknown service: ask for liveness, readiness or startup")
	}
	return &healthpb.HealthCheckResponse{Status: p.status(s.monitor.Verdict())}, nil
}

// List answers for all services.
func (s *service) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	all, v := map[string]*healthpb.HealthCheckResponse{}, s.monitor.Verdict()
	for name, p := range s.probes {
		all[name] = &healthpb.HealthCheckResponse{Status: p.status(v)}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

// Watch sends the status of one service until the client, the drain or the Monitor ends it.
func (s *service) Watch(in *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		select {
		case <-s.monitor.Drained():
			cancel()
		case <-ctx.Done():
		}
	}()
	p, known := s.probes[in.GetService()]
	sent := healthpb.HealthCheckResponse_UNKNOWN
	send := func(v *verdict.Verdict) error {
		now := healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		if known {
			now = p.status(v)
		}
		if now == sent {
			return nil
		}
		sent = now
		return stream.Send(&healthpb.HealthCheckResponse{Status: now})
	}
	if err := send(s.monitor.Verdict()); err != nil { // also to clients that come after the drain
		return err
	}
	for v := range s.monitor.Watch(ctx) {
		if err := send(v); err != nil {
			return err
		}
	}
	if err := stream.Context().Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Unavailable, "the process is shutting down")
}
