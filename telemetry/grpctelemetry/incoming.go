package grpctelemetry

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// incoming is the metadata of a call for a propagator. gRPC's function copies all metadata, and otelgrpc
// would use it for every call. So we read the metadata by gRPC's context key, and hide it from otelgrpc.
type incoming metadata.MD

// incomingOf only reads what it returns.
func incomingOf(ctx context.Context) incoming {
	if md, ok := ctx.Value(incomingKey).(metadata.MD); ok {
		return incoming(md)
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return incoming(md)
}

func (m incoming) Get(key string) string {
	if v := metadata.MD(m).Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (m incoming) Keys() []string {
	all := make([]string, 0, len(m))
	for key := range m {
		all = append(all, key)
	}
	return all
}

// Set does nothing, because the metadata is the call's.
func (incoming) Set(string, string) {}

// incomingKey is gRPC's key of the metadata in a context. It is private, so we record the key that gRPC asks for.
var incomingKey = func() any {
	var asked keys
	_, _ = metadata.FromIncomingContext(&asked)
	return asked.last
}()

// keys is an empty context that remembers the last key that it was asked for.
type keys struct {
	context.Context
	last any
}

func (k *keys) Value(key any) any { k.last = key; return nil }
