package telemetry

import (
	"container/list"
	"context"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
)

// inflight counts the requests in flight and knows the oldest. A duration histogram has only
// finished requests. If all requests hang it stays empty, and only inflight shows the fault.
type inflight struct {
	active metric.Int64UpDownCounter

	mu   sync.Mutex
	open list.List // start times, oldest first
}

const scopeName = "github.com/otelhealth/otelhealth/telemetry"

func newInflight(mp metric.MeterProvider) (*inflight, error) {
	meter := mp.Meter(scopeName, metric.WithSchemaURL(semconv.SchemaURL))
	active, err := httpconv.NewServerActiveRequests(meter)
	if err != nil {
		return nil, err
	}
	f := &inflight{active: active.Inst()}
	_, err = meter.Float64ObservableGauge("http.server.oldest_request.age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest request that has not ended; 0 if there is none."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(f.age().Seconds())
			return nil
		}))
	return f, err
}

func (f *inflight) age() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if oldest := f.open.Front(); oldest != nil {
		return time.Since(oldest.Value.(time.Time))
	}
	return 0
}

func (f *inflight) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		attrs := metric.WithAttributeSet(attribute.NewSet(requestMethod(r), scheme(r)))
		f.active.Add(r.Context(), 1, attrs)
		f.mu.Lock()
		e := f.open.PushBack(time.Now())
		f.mu.Unlock()
		defer func() {
			f.mu.Lock()
			f.open.Remove(e)
			f.mu.Unlock()
			f.active.Add(r.Context(), -1, attrs)
		}()
		next.ServeHTTP(w, r)
	})
}

// requestMethod is bounded, as the semantic conventions ask.
func requestMethod(r *http.Request) attribute.KeyValue {
	switch r.Method {
	case http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
		http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodTrace:
		return semconv.HTTPRequestMethodKey.String(r.Method)
	}
	return semconv.HTTPRequestMethodOther
}

func scheme(r *http.Request) attribute.KeyValue {
	if r.TLS != nil {
		return semconv.URLScheme("https")
	}
	return semconv.URLScheme("http")
}
