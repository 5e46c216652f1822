package promhealth

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// reader has the metrics for the Monitor: its own instruments and the families that its rules name.
//
// It is not a Producer in the SDK's reader, because the SDK reuses the memory of one collection for
// the next one, and a result that counts for a while would change. Scrapes don't use it:
// monitorCollector asks the ManualReader inside.
type reader struct {
	*sdkmetric.ManualReader
	*families

	own  metricdata.ResourceMetrics           // lent to the SDK
	sets map[attribute.Distinct]attribute.Set // of queues, as on /metrics

	export atomic.Pointer[func()] // registers the queues; nil before Start has succeeded, and after the call
}

// view gives the instruments of queues their names on /metrics, because rules may read them. The
// instruments of the verdict keep their names, because the Monitor finds them by these.
func (r *reader) view(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	f := byInstrument[i.Name]
	if f == nil || f.isVerdict() {
		return sdkmetric.Stream{}, false
	}
	r.queues.Store(true)
	return sdkmetric.Stream{Name: f.name, Description: i.Description, Unit: i.Unit}, true
}

// exportQueues exports the queues as soon as there is one. Until then, the service may have metrics with
// these names.
func (r *reader) exportQueues(f func()) {
	r.export.Store(&f)
	if f := r.takeExport(); f != nil {
		f()
	}
}

// takeExport returns the function to call now, once; nil if there is nothing to do.
func (r *reader) takeExport() func() {
	if !r.queues.Load() {
		return nil
	}
	if f := r.export.Swap(nil); f != nil {
		return *f
	}
	return nil
}

// Collect is called only by the Monitor, one call at a time.
func (r *reader) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	if f := r.takeExport(); f != nil {
		go f() // a foreign Describe may hold the registry's lock
	}
	err := r.ManualReader.Collect(ctx, &r.own)
	rm.Resource = r.own.Resource
	rm.ScopeMetrics = append(rm.ScopeMetrics[:0], r.own.ScopeMetrics...)
	for _, sm := range r.own.ScopeMetrics {
		for _, m := range sm.Metrics {
			if byName[m.Name] != nil { // renamed by view
				r.relabel(m.Data)
			}
		}
	}
	rm.ScopeMetrics = append(rm.ScopeMetrics, metricdata.ScopeMetrics{Metrics: r.families.collect(ctx)})
	return err
}

// relabel gives the attributes of a queue their names on /metrics.
func (r *reader) relabel(data metricdata.Aggregation) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		for i := range d.DataPoints {
			d.DataPoints[i].Attributes = r.asLabels(d.DataPoints[i].Attributes)
		}
	case metricdata.Histogram[float64]:
		for i := range d.DataPoints {
			d.DataPoints[i].Attributes = r.asLabels(d.DataPoints[i].Attributes)
		}
	}
}

func (r *reader) asLabels(set attribute.Set) attribute.Set {
	if s, ok := r.sets[set.Equivalent()]; ok {
		return s
	}
	var all []attribute.KeyValue
	for _, kv := range set.ToSlice() {
		all = append(all, attribute.KeyValue{Key: attribute.Key(underscored(string(kv.Key))), Value: kv.Value})
	}
	s := attribute.NewSet(all...)
	if r.sets == nil {
		r.sets = map[attribute.Distinct]attribute.Set{}
	}
	r.sets[set.Equivalent()] = s
	return s
}
