package telemetry

import (
	"context"
	"errors"
	"reflect"
	"strconv"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// exportError returns the bounded class of a failed export: partial_success, timeout,
// connection_error, or the status of HTTP or gRPC.
func exportError(err error) string {
	if s, ok := errors.AsType[statusError](err); ok {
		return strconv.Itoa(int(s))
	}
	if _, partial := rejected(err); partial {
		return "partial_success"
	}
	if _, ok := errors.AsType[broken](err); ok {
		return "connection_error"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	if s := rpcStatus(err); s != nil {
		if s.Code() != codes.DeadlineExceeded {
			return s.Code().String()
		}
		return "timeout"
	}
	return semconv.ErrorTypeOther.Value.AsString()
}

// rpcStatus returns the gRPC status in an error; nil if there is none.
func rpcStatus(err error) *status.Status {
	left := maxWrapped
	if in, ok := find[interface{ GRPCStatus() *status.Status }](err, &left); ok && in.GRPCStatus().Code() != codes.OK {
		return in.GRPCStatus()
	}
	return nil
}

// maxWrapped bounds the errors in an error.
const maxWrapped = 64

// find is errors.AsType, but it ends if Unwrap runs in a circle.
func find[T any](err error, left *int) (found T, ok bool) {
	if *left--; *left < 0 || err == nil {
		return found, false
	}
	if found, ok = err.(T); ok {
		return found, true
	}
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		return find[T](wrapper.Unwrap(), left)
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			if found, ok = find[T](inner, left); ok || *left < 0 {
				return found, ok
			}
		}
	}
	return found, false
}

// rejected returns how many items an answer has rejected. It reads the error's exported field by
// reflection, because the type is internal to the exporters.
func rejected(err error) (items int64, partial bool) {
	switch e := err.(type) {
	case nil:
		return 0, false
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if items, partial = rejected(one); partial {
				return items, partial
			}
		}
		return 0, false
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Struct {
		if f := v.FieldByName("RejectedItems"); f.IsValid() && f.CanInt() {
			return f.Int(), true
		}
	}
	return rejected(errors.Unwrap(err))
}
