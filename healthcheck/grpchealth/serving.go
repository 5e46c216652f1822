package grpchealth

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/otelhealth/otelhealth/healthcheck/checks"
)

// Serving passes while another server says SERVING of a service; the empty one stands for the
// whole server. It is a function for healthcheck.Check.Func:
//
//	{Name: "billing", Func: grpchealth.Serving(conn, "liveness")}
//
// The class of its error is what the server said instead, such as NOT_SERVING, or the code of
// the call's error, such as Unavailable. Ask about liveness rather than readiness. Otherwise
// one server that is not ready takes out all that call it.
//
// conn is a connection that the process has anyway. While it has none, the check waits for the
// first attempt, and fails at once after one that failed.
func Serving(conn grpc.ClientConnInterface, service string) func(context.Context) error {
	client := healthpb.NewHealthClient(conn)
	return func(ctx context.Context) error {
		resp, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err() // as other checks say it, and not only DEADLINE_EXCEEDED
			}
			return checks.Class(err, status.Code(err).String())
		}
		if s := resp.GetStatus(); s != healthpb.HealthCheckResponse_SERVING {
			return checks.Class(fmt.Errorf("service %q is %v", service, s), s.String())
		}
		return nil
	}
}
