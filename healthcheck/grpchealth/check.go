package grpchealth

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
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
			return typedError{class: status.Code(err).String(), err: err}
		}
		if s := resp.GetStatus(); s != healthpb.HealthCheckResponse_SERVING {
			return typedError{class: s.String(), err: fmt.Errorf("service %q is %v", service, s)}
		}
		return nil
	}
}

// typedError is an error with a class, which is shown where the text must not be. It is a copy
// of the one in checks, because a module should not reach into another one.
type typedError struct {
	class string
	err   error
}

func (e typedError) Error() string { return e.err.Error() }

// Unwrap lets errors.Is and errors.As see the error.
func (e typedError) Unwrap() error { return e.err }

// ErrorType is what a Monitor and OpenTelemetry call the error.
func (e typedError) ErrorType() string { return e.class }
