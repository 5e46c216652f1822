package healthcheck

import (
	"reflect"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
)

// claimed has the MeterProviders and Readers of the Monitors that run or start. A look at the collected
// metrics would not be enough: it misses a Monitor that starts at the same time or has no Reader.
var claimed = struct {
	sync.Mutex
	all map[any]bool
}{all: map[any]bool{}}

var errOtherMonitor = &cfgerrors.Error{Field: "MeterProvider", Problem: "another Monitor exports to it already: use one MeterProvider for each Monitor"}

// claim reserves the MeterProvider and the Reader of a pipeline until release is called. It fails if
// another Monitor has one of them. release is called once.
func claim(p Pipeline) (release func(), err error) {
	keys := claims(p)
	claimed.Lock()
	defer claimed.Unlock()
	for _, key := range keys {
		if claimed.all[key] {
			return nil, errOtherMonitor
		}
	}
	for _, key := range keys {
		claimed.all[key] = true
	}
	return func() {
		claimed.Lock()
		defer claimed.Unlock()
		for _, key := range keys {
			delete(claimed.all, key)
		}
	}, nil
}

// claims returns what identifies the destination of a pipeline.
func claims(p Pipeline) (keys []any) {
	provider := any(p.MeterProvider)
	if delegates(provider) {
		provider = otel.GetMeterProvider()
	}
	if !delegates(provider) && exports(provider) {
		keys = append(keys, provider)
	}
	if p.Reader != nil && reflect.ValueOf(p.Reader).Comparable() {
		keys = append(keys, p.Reader)
	}
	return keys
}

// delegates reports whether a provider is OpenTelemetry's global one before anybody has set it. Until
// then it exports nothing, so any number of Monitors may have it.
func delegates(provider any) bool {
	return strings.HasSuffix(packageOf(provider), "otel/internal/global")
}

// exports reports whether a provider must be claimed. OpenTelemetry's no-op provider, and any type
// without fields, compare as equal in all Monitors.
func exports(provider any) bool {
	return packageOf(provider) != "go.opentelemetry.io/otel/metric/noop" && reflect.TypeOf(provider).Size() > 0 && reflect.ValueOf(provider).Comparable()
}

func packageOf(v any) string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath()
}
