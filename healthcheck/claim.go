package healthcheck

import (
	"reflect"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"

	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
)

// claimed has the MeterProviders and Readers of the Monitors that run or start. A collection shows
// another Monitor too, but not if both start at the same time, or if one has no Reader.
var claimed = struct {
	sync.Mutex
	all map[any]bool
}{all: map[any]bool{}}

var errOtherMonitor = &cfgerrors.Error{Field: "MeterProvider", Problem: "another Monitor exports to it already: use one MeterProvider for each Monitor"}

// claim takes the MeterProvider and the Reader of a pipeline until release, unless another Monitor has
// one of them. release is called once.
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

// delegates reports whether a provider is OpenTelemetry's global one, as long as nobody has set it. It
// exports nothing then, so every Monitor may have it.
func delegates(provider any) bool {
	return strings.HasSuffix(packageOf(provider), "otel/internal/global")
}

// exports reports whether a provider is worth a claim. OpenTelemetry's no-op and other values without
// a field are the same for all.
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
