package grpchealth

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/otelhealth/otelhealth/internal/failure"
)

// Check is a function for [healthcheck.Check.Func] that asks another server about
// a service; the empty one stands for the whole server. It passes on SERVING. The
// error.type is what the server said instead, such as NOT_SERVING, or the code of
// the call's error, such as Unavailable. Ask about liveness rather than readiness,
// lest a server that is not ready takes all that call it out, too.
//
// conn is a connection that the process has anyway; while it has none the check
// waits for the first and fails at once after a failed attempt.
func Check(conn grpc.ClientConnInterface, service string) func(context.Context) error {
	client := healthpb.NewHealthClient(conn)
	return func(ctx context.Context) error {
		resp, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err() // as other checks say it, and not only DEADLINE_EXCEEDED
			}
			return failure.Error{Class: status.Code(err).String(), Err: err}
		}
		if s := resp.GetStatus(); s != healthpb.HealthCheckResponse_SERVING {
			return failure.Error{Class: s.String(), Err: fmt.Errorf("service %q is %v", service, s)}
		}
		return nil
	}
}
