package grpctelemetry

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	other   = "_OTHER" // of the semantic conventions, for a method that is not known
	maxKept = 1000
	maxName = 1 << 10 // bytes; a client may send megabytes
)

// methods has the attributes of every method. It only grows, up to maxKept.
type methods struct {
	mu    sync.Mutex
	all   atomic.Pointer[map[string]*method]
	other *method
}

// method has the attributes of its calls, by status code.
type method struct {
	name   string
	byCode [codes.Unauthenticated + 1]atomic.Pointer[[]metric.RecordOption]
}

// of returns the method with a full name such as /orders.Orders/Get.
func (m *methods) of(fullName string) *method {
	if known := m.all.Load(); known != nil {
		if one := (*known)[fullName]; one != nil {
			return one
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	next, full := map[string]*method{}, len(fullName) > maxName
	if known := m.all.Load(); known != nil {
		if one := (*known)[fullName]; one != nil { // another call was faster
			return one
		}
		full = full || len(*known) >= maxKept
		if !full {
			next = maps.Clone(*known)
		}
	}
	if full {
		if m.other == nil {
			m.other = &method{name: other}
		}
		return m.other
	}
	fullName = strings.Clone(fullName) // it may be a part of something large
	one := &method{name: strings.ToValidUTF8(nameOf(fullName), "\uFFFD")}
	next[fullName] = one
	m.all.Store(&next)
	return one
}

// attributes returns the attributes of a call that ended with err.
func (m *method) attributes(err error) []metric.RecordOption {
	code := codes.OK
	if err != nil {
		code = status.Code(err)
	}
	if int(code) >= len(m.byCode) {
		return m.build(code) // an application made it up
	}
	at := &m.byCode[code]
	if known := at.Load(); known != nil {
		return *known
	}
	options := m.build(code)
	at.Store(&options)
	return options
}

func (m *method) build(code codes.Code) []metric.RecordOption {
	attrs := []attribute.KeyValue{semconv.RPCSystemNameGRPC, semconv.RPCMethod(m.name), codeAttribute(code)}
	if isServerError(code) {
		attrs = append(attrs, semconv.ErrorTypeKey.String(nameOfCode(code)))
	}
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

// isServerError reports whether the semantic conventions count a code as the server's error.
func isServerError(c codes.Code) bool {
	switch c {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	}
	return false
}

func codeAttribute(c codes.Code) attribute.KeyValue {
	if int(c) < len(codeAttributes) {
		return codeAttributes[c]
	}
	return semconv.RPCResponseStatusCode(nameOfCode(c))
}

var codeAttributes = func() (all [len(codeNames)]attribute.KeyValue) {
	for c, name := range codeNames {
		all[c] = semconv.RPCResponseStatusCode(name)
	}
	return all
}()

// nameOfCode writes a code as the semantic conventions do: DEADLINE_EXCEEDED.
func nameOfCode(c codes.Code) string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "CODE(" + strconv.Itoa(int(c)) + ")"
}

var codeNames = [...]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN", codes.InvalidArgument: "INVALID_ARGUMENT",
	codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
	codes.PermissionDenied: "PERMISSION_DENIED", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION", codes.Aborted: "ABORTED", codes.OutOfRange: "OUT_OF_RANGE",
	codes.Unimplemented: "UNIMPLEMENTED", codes.Internal: "INTERNAL", codes.Unavailable: "UNAVAILABLE",
	codes.DataLoss: "DATA_LOSS", codes.Unauthenticated: "UNAUTHENTICATED",
}
