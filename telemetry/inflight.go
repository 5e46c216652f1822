package telemetry

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
)

// inflight counts the requests in flight and knows the oldest. A duration histogram has finished requests
// only. If all requests hang, it stays empty, and only inflight shows the fault.
type inflight struct {
	active [len(methods)][len(schemes)]active // counted here and read by a callback, because an Add costs more

	mu             sync.Mutex
	oldest, newest *request // the ends of a list
}

// active is one series of http.server.active_requests.
type active struct {
	n     atomic.Int64
	begun atomic.Bool // a series begins with its first request
	attrs metric.ObserveOption
}

const scopeName = "github.com/otelhealth/otelhealth/telemetry"

func newInflight(mp metric.MeterProvider) (*inflight, error) {
	f := &inflight{}
	for m := range f.active {
		for s := range f.active[m] {
			f.active[m][s].attrs = metric.WithAttributeSet(attribute.NewSet(methodAttributes[m], schemeAttributes[s]))
		}
	}
	meter := mp.Meter(scopeName, metric.WithSchemaURL(semconv.SchemaURL))
	if _, err := httpconv.NewServerActiveRequestsObservable(meter, metric.WithInt64Callback(f.observe)); err != nil {
		return nil, err
	}
	_, err := meter.Float64ObservableGauge("http.server.oldest_request.age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest request that has not ended; 0 if there is none."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(f.age().Seconds())
			return nil
		}))
	return f, err
}

func (f *inflight) observe(_ context.Context, o metric.Int64Observer) error {
	for m := range f.active {
		for s := range f.active[m] {
			if one := &f.active[m][s]; one.begun.Load() {
				o.Observe(one.n.Load(), one.attrs)
			}
		}
	}
	return nil
}

func (f *inflight) age() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.oldest != nil {
		return time.Since(f.oldest.start)
	}
	return 0
}

func (f *inflight) enter(req *request) {
	one := &f.active[req.method][req.scheme]
	one.n.Add(1)
	if !one.begun.Load() { // load first: a store for every request would make processors contend
		one.begun.Store(true)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	req.start, req.open, req.older = time.Now(), true, f.newest
	if f.newest != nil {
		f.newest.younger = req
	} else {
		f.oldest = req
	}
	f.newest = req
}

// leave returns when the request started, and whether it was still there.
func (f *inflight) leave(req *request) (start time.Time, was bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !req.open {
		return req.start, false
	}
	req.open = false
	if req.older != nil {
		req.older.younger = req.younger
	} else {
		f.oldest = req.younger
	}
	if req.younger != nil {
		req.younger.older = req.older
	} else {
		f.newest = req.older
	}
	req.older, req.younger = nil, nil // a kept writer must not keep other requests in memory
	f.active[req.method][req.scheme].n.Add(-1)
	return req.start, true
}
