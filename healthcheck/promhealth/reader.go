package promhealth

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// reader is what the Monitor reads: its own instruments and the families that its rules name.
//
// It is no Producer in the reader, because the SDK fills the memory of one collection with the next
// one, and a result that stands for a while would change. Neither does a scrape come here: own asks
// the ManualReader inside.
type reader struct {
	*sdkmetric.ManualReader
	*families

	own  metricdata.ResourceMetrics           // lent to the SDK
	sets map[attribute.Distinct]attribute.Set // of queues, as on /metrics

	export atomic.Pointer[func()] // registers the queues; nil before the Start has succeeded, and after it was called
}

// view names the instruments of queues as on /metrics, because rules may read them. Those of the
// verdict keep their names, by which the Monitor knows them.
func (r *reader) view(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	f := byInstrument[i.Name]
	if f == nil || f.isVerdict() {
		return sdkmetric.Stream{}, false
	}
	r.queues.Store(true)
	return sdkmetric.Stream{Name: f.name, Description: i.Description, Unit: i.Unit}, true
}

// exportQueues has the queues exported as soon as there is one, and not before: their names are
// such as others have.
func (r *reader) exportQueues(f func()) {
	r.export.Store(&f)
	if f := r.due(); f != nil {
		f()
	}
}

// due is what is to be called now.
func (r *reader) due() func() {
	if !r.queues.Load() {
		return nil
	}
	if f := r.export.Swap(nil); f != nil {
		return *f
	}
	return nil
}

// Collect is called by the Monitor alone, one at a time.
func (r *reader) Collect(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	if f := r.due(); f != nil {
		go f() // somebody's Describe may hold the registry's lock
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

// relabel names the attributes of a queue as on /metrics.
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
