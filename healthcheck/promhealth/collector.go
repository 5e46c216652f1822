package promhealth

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhealth/otelhealth/healthcheck"
	"github.com/otelhealth/otelhealth/healthcheck/cfgerrors"
	"github.com/otelhealth/otelhealth/healthcheck/internal/conventions"
)

// monitorCollector exports some metrics of a Monitor. It describes every family, so that a registry
// refuses a second Monitor at once, and a pedantic registry accepts it. It reads only the SDK's
// reader and no families, so that a scrape asks no collector of the rules.
type monitorCollector struct {
	monitor *healthcheck.Monitor
	reader  *sdkmetric.ManualReader
	has     func(family) bool
	spare   sync.Pool // of *metricdata.ResourceMetrics
	descs   sync.Map  // by name and labels
}

func newMonitorCollector(m *healthcheck.Monitor, r *sdkmetric.ManualReader, has func(family) bool) *monitorCollector {
	return &monitorCollector{monitor: m, reader: r, has: has}
}

// stopped reports whether the Monitor has stopped. It asks by adding a check without a name: a stopped
// Monitor returns ErrStopped, and any other refuses the name.
func (o *monitorCollector) stopped() bool {
	_, err := o.monitor.Add(healthcheck.Check{})
	return errors.Is(err, cfgerrors.ErrStopped)
}

func (o *monitorCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range exported {
		if o.has(f) {
			ch <- f.desc(f.labels)
		}
	}
}

func (o *monitorCollector) Collect(ch chan<- prometheus.Metric) {
	rm, _ := o.spare.Get().(*metricdata.ResourceMetrics)
	if rm == nil {
		rm = &metricdata.ResourceMetrics{}
	}
	defer o.spare.Put(rm)
	_ = o.reader.Collect(context.Background(), rm) // after an error, only values of queues are missing
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			f := byInstrument[m.Name]
			if f == nil {
				f = byName[m.Name]
			}
			if f == nil || !o.has(*f) {
				continue // a metric of the other collector, or of a newer healthcheck; a pedantic registry fails the scrape if a metric is not described
			}
			switch d := m.Data.(type) {
			case metricdata.Gauge[int64]:
				send(o, ch, f, prometheus.GaugeValue, d.DataPoints)
			case metricdata.Gauge[float64]:
				send(o, ch, f, prometheus.GaugeValue, d.DataPoints)
			case metricdata.Sum[int64]:
				send(o, ch, f, kindOf(d.IsMonotonic), d.DataPoints)
			case metricdata.Sum[float64]:
				send(o, ch, f, kindOf(d.IsMonotonic), d.DataPoints)
			case metricdata.Histogram[float64]:
				o.sendHistogram(ch, f, d.DataPoints)
			}
		}
	}
}

func kindOf(monotonic bool) prometheus.ValueType {
	if monotonic {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

func send[N int64 | float64](o *monitorCollector, ch chan<- prometheus.Metric, f *family, kind prometheus.ValueType, points []metricdata.DataPoint[N]) {
	for i := range points {
		desc, values := o.labelled(f, points[i].Attributes)
		if m, err := prometheus.NewConstMetric(desc, kind, float64(points[i].Value), values...); err == nil {
			ch <- m
		}
	}
}

func (o *monitorCollector) sendHistogram(ch chan<- prometheus.Metric, f *family, points []metricdata.HistogramDataPoint[float64]) {
	for _, p := range points {
		buckets, n := make(map[float64]uint64, len(p.Bounds)), uint64(0)
		for i, b := range p.Bounds {
			n += p.BucketCounts[i]
			buckets[b] = n
		}
		desc, values := o.labelled(f, p.Attributes)
		if m, err := prometheus.NewConstHistogram(desc, p.Count, p.Sum, buckets, values...); err == nil {
			ch <- m
		}
	}
}

// labelled returns the description of a series with only the labels of this series, and the labels'
// values.
func (o *monitorCollector) labelled(f *family, set attribute.Set) (*prometheus.Desc, []string) {
	var id strings.Builder
	id.WriteString(f.name)
	values := make([]string, 0, set.Len())
	for i := set.Iter(); i.Next(); {
		kv := i.Attribute()
		id.WriteByte(' ')
		id.WriteString(string(kv.Key))
		values = append(values, strings.ToValidUTF8(conventions.Text(kv.Value), "?"))
	}
	if d, ok := o.descs.Load(id.String()); ok {
		return d.(*prometheus.Desc), values
	}
	var keys []string
	for i := set.Iter(); i.Next(); {
		keys = append(keys, underscored(string(i.Attribute().Key)))
	}
	d, _ := o.descs.LoadOrStore(id.String(), f.desc(keys))
	return d.(*prometheus.Desc), values
}

func underscored(name string) string { return strings.ReplaceAll(name, ".", "_") }
