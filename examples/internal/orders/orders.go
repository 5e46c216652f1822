// Package orders is like protoc's output for a service orders.Orders with one method: rpc
// Get(google.protobuf.StringValue) returns (google.protobuf.StringValue).
package orders

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const get = "/orders.Orders/Get"

// Server is the service's interface.
type Server interface {
	Get(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error)
}

// RegisterServer adds the service to a server.
func RegisterServer(r grpc.ServiceRegistrar, s Server) {
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: "orders.Orders",
		HandlerType: (*Server)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.StringValue)
			if err := decode(in); err != nil {
				return nil, err
			}
			return srv.(Server).Get(ctx, in)
		}}},
	}, s)
}

// Get calls the method.
func Get(ctx context.Context, conn grpc.ClientConnInterface, id string) (string, error) {
	out := new(wrapperspb.StringValue)
	err := conn.Invoke(ctx, get, wrapperspb.String(id), out)
	return out.GetValue(), err
}
