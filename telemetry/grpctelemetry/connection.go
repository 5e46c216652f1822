package grpctelemetry

import (
	"context"
	"net"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
)

// connection is the context of a connection, with attributes that its spans share. otelgrpc would format and
// parse the server's address for every call.
type connection struct {
	context.Context
	address []attribute.KeyValue
	ok      []attribute.KeyValue // and the code OK
}

type connectionKey struct{}

// Value returns the connection itself for its key.
func (c *connection) Value(key any) any {
	if key == (connectionKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func newConnection(ctx context.Context, local net.Addr) *connection {
	c := &connection{Context: ctx}
	if local != nil {
		c.address = addressOf(local.String())
	}
	c.ok = slices.Concat(c.address, codeAttributes[codes.OK:codes.OK+1])
	return c
}

// TagConn notes the server's address. If a handler of the user around ours does not pass it on, each call
// finds the address in its header.
func (h *handler) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	tagged := ctx
	h.guard.inline(func() { tagged = newConnection(ctx, info.LocalAddr) })
	return tagged
}

// HandleConn does nothing.
func (h *handler) HandleConn(context.Context, stats.ConnStats) {}

// ended returns the attributes that a span gets at its end. A span gets them all at once, because it
// allocates memory for all its attributes each time.
func (c *connection) ended(code codes.Code) []attribute.KeyValue {
	if c == nil { // the address is not known
		return []attribute.KeyValue{codeAttribute(code)}
	}
	if code == codes.OK {
		return c.ok
	}
	return append(slices.Clip(c.address), codeAttribute(code))
}

// addressOf returns the attributes that otelgrpc has for an address.
func addressOf(address string) []attribute.KeyValue {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return []attribute.KeyValue{semconv.ServerAddress(address)}
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return []attribute.KeyValue{semconv.ServerAddress(host)}
	}
	return []attribute.KeyValue{semconv.ServerAddress(host), semconv.ServerPort(port)}
}
