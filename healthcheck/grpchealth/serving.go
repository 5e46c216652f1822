package grpchealth

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/otelhealth/otelhealth/healthcheck/checks"
)

// Serving passes if another server answers SERVING for a service. The empty name stands for the
// whole server. It is a function for healthcheck.Check.Func:
//
//	{Name: "billing", Func: grpchealth.Serving(conn, "liveness")}
//
// The class of its error is the server's answer, such as NOT_SERVING, or the code of a failed call,
// such as Unavailable. Ask for liveness rather than readiness. Otherwise one server that is not
// ready takes out all its callers.
//
// Pass the conn that the process uses for its calls. If it is not connected yet, the check waits for the
// first attempt. After a failed attempt it fails at once.
func Serving(conn grpc.ClientConnInterface, service string) func(context.Context) error {
	client := healthpb.NewHealthClient(conn)
	return func(ctx context.Context) error {
		resp, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err() // so that the class is timeout, as in other checks
			}
			return checks.Class(err, status.Code(err).String())
		}
		if s := resp.GetStatus(); s != healthpb.HealthCheckResponse_SERVING {
			return checks.Class(fmt.Errorf("service %q is %v", service, s), s.String())
		}
		return nil
	}
}
