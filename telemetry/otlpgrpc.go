package telemetry

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	deadPeer  = 20 * time.Second // without an acknowledgement of sent data
	pingEvery = 6 * time.Minute  // collectors close connections with more than one ping in 5 min
)

// dialOptions returns the options of the connection of an exporter that uses gRPC. Every failed
// attempt calls report.
func dialOptions(s signal, report func(error)) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryFirst, Multiplier: 1.6, Jitter: .2, MaxDelay: retryMost},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Timeout is also the kernel's timeout, because a collector on a dead node sends no reset.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: deadPeer}),
		// An attempt without an answer must not use up the time of the others. And the first failed
		// attempt is reported at once, not only the last one after a minute.
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			limit, began := s.attempt(), time.Now()
			attempt, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			err := invoke(attempt, method, req, reply, cc, opts...)
			// The collector knows the deadline too, so it may report first that it has passed.
			if status.Code(err) == codes.DeadlineExceeded && time.Since(began) >= limit-limit/10 {
				err = unanswered(limit)
			}
			if err != nil && ctx.Err() == nil {
				report(err)
			}
			return err
		}),
	}
}
