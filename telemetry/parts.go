package telemetry

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// requestLimit is the largest estimated size of a request. By gRPC a collector accepts 4 MiB, uncompressed
// or compressed, and would refuse a larger request at every export. Estimates are a little too high.
const requestLimit = 2 << 20

// inParts exports part after part. It returns the first error. If the collector is not there it stops,
// because each further part would wait for it again. The items of parts that do not arrive count as lost.
func inParts[P any](ctx context.Context, o *outcome, parts []P, items func(P) int, export func(context.Context, P) error) (first error) {
	for n, part := range parts {
		err := o.send(ctx, items(part), func(ctx context.Context) error { return export(ctx, part) })
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		class := exportError(err)
		if class != "timeout" && class != "connection_error" && class != "Unavailable" && ctx.Err() == nil {
			continue
		}
		for _, rest := range parts[n+1:] {
			o.lose(items(rest), class)
		}
		return first
	}
	return first
}

// cut returns the parts of a batch. An item over the limit is a part of its own.
func cut[T any](batch []T, size func(*T) int) [][]T {
	var parts [][]T
	from, sum := 0, 0
	for n := range batch {
		s := size(&batch[n])
		if sum+s > requestLimit && n > from {
			parts = append(parts, batch[from:n])
			from, sum = n, 0
		}
		sum += s
	}
	return append(parts, batch[from:])
}

func spanSize(s sdktrace.ReadOnlySpan) int {
	if e, ok := s.(*endedSpan); ok {
		return e.size
	}
	size := 200 + len(s.Name()) + len(s.Status().Description) + attributesSize(s.Attributes())
	for _, e := range s.Events() {
		size += 40 + len(e.Name) + attributesSize(e.Attributes)
	}
	for _, l := range s.Links() {
		size += 80 + attributesSize(l.Attributes)
	}
	return size
}

func recordSize(r *sdklog.Record) int {
	size := 120 + len(r.EventName()) + len(r.SeverityText()) + valueSize(r.Body())
	for kv := range r.WalkAttributes {
		size += attributeSize(kv)
	}
	return size
}

func attributesSize(attrs []attribute.KeyValue) (size int) {
	for _, kv := range attrs {
		size += attributeSize(kv)
	}
	return size
}

func attributeSize(kv attribute.KeyValue) int { return 16 + len(kv.Key) + valueSize(kv.Value) }

func valueSize(v attribute.Value) int {
	size := 12
	switch v.Type() {
	case attribute.STRING:
		size += len(v.AsString())
	case attribute.BYTESLICE:
		size += len(v.AsByteSlice())
	case attribute.STRINGSLICE:
		for _, s := range v.AsStringSlice() {
			size += 12 + len(s)
		}
	case attribute.BOOLSLICE:
		size += 4 * len(v.AsBoolSlice())
	case attribute.INT64SLICE:
		size += 13 * len(v.AsInt64Slice())
	case attribute.FLOAT64SLICE:
		size += 13 * len(v.AsFloat64Slice())
	case attribute.SLICE:
		for _, one := range v.AsSlice() {
			size += valueSize(one)
		}
	case attribute.MAP:
		size += attributesSize(v.AsMap())
	}
	return size
}

func setSize(set *attribute.Set) (size int) {
	for n := range set.Len() {
		kv, _ := set.Get(n)
		size += attributeSize(kv)
	}
	return size
}

// metricParts cuts metrics between points, because one instrument alone may be too large.
func metricParts(rm *metricdata.ResourceMetrics) []*metricdata.ResourceMetrics {
	var parts []*metricdata.ResourceMetrics
	resource := setSize(rm.Resource.Set())
	part, size, held := &metricdata.ResourceMetrics{Resource: rm.Resource}, resource, 0 // held are its points
	begin := func() {
		parts = append(parts, part)
		part, size, held = &metricdata.ResourceMetrics{Resource: rm.Resource}, resource, 0
	}
	for _, sm := range rm.ScopeMetrics {
		scope := 40 + len(sm.Scope.Name) + len(sm.Scope.Version) + len(sm.Scope.SchemaURL) + setSize(&sm.Scope.Attributes)
		current := metricdata.ScopeMetrics{Scope: sm.Scope}
		size += scope
		from := 0 // of the metrics that are in no part yet
		for n, m := range sm.Metrics {
			head := 40 + len(m.Name) + len(m.Description) + len(m.Unit)
			size += head
			first := 0 // of the points that are in no part yet
			for p := range pointsOf(m.Data) {
				s := pointSize(m.Data, p)
				if size+s > requestLimit && held > 0 {
					current.Metrics = append(current.Metrics, sm.Metrics[from:n]...)
					if p > first {
						rest := m
						rest.Data = somePoints(m.Data, first, p)
						current.Metrics = append(current.Metrics, rest)
					}
					if len(current.Metrics) > 0 {
						part.ScopeMetrics = append(part.ScopeMetrics, current)
					}
					begin()
					current = metricdata.ScopeMetrics{Scope: sm.Scope}
					size += scope + head
					from, first = n, p
				}
				size, held = size+s, held+1
			}
			if first > 0 {
				m.Data = somePoints(m.Data, first, pointsOf(m.Data))
				current.Metrics = append(current.Metrics, m)
				from = n + 1
			}
		}
		current.Metrics = append(current.Metrics, sm.Metrics[from:]...)
		part.ScopeMetrics = append(part.ScopeMetrics, current)
	}
	if len(parts) == 0 {
		return []*metricdata.ResourceMetrics{rm}
	}
	return append(parts, part)
}

// pointsIn counts the points of all metrics.
func pointsIn(rm *metricdata.ResourceMetrics) (points int) {
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			points += pointsOf(m.Data)
		}
	}
	return points
}

func pointsOf(data metricdata.Aggregation) int {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return len(d.DataPoints)
	case metricdata.Gauge[float64]:
		return len(d.DataPoints)
	case metricdata.Sum[int64]:
		return len(d.DataPoints)
	case metricdata.Sum[float64]:
		return len(d.DataPoints)
	case metricdata.Histogram[int64]:
		return len(d.DataPoints)
	case metricdata.Histogram[float64]:
		return len(d.DataPoints)
	case metricdata.ExponentialHistogram[int64]:
		return len(d.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		return len(d.DataPoints)
	case metricdata.Summary:
		return len(d.DataPoints)
	}
	return 0
}

func somePoints(data metricdata.Aggregation, from, to int) metricdata.Aggregation {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	case metricdata.Gauge[float64]:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	case metricdata.Sum[int64]:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	case metricdata.Sum[float64]:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	case metricdata.Histogram[int64]:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	case metricdata.Histogram[float64]:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	case metricdata.ExponentialHistogram[int64]:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	case metricdata.ExponentialHistogram[float64]:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	case metricdata.Summary:
		d.DataPoints = slices.Clip(d.DataPoints[from:to])
		return d
	}
	return data
}

func pointSize(data metricdata.Aggregation, n int) int {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return numberSize(&d.DataPoints[n])
	case metricdata.Gauge[float64]:
		return numberSize(&d.DataPoints[n])
	case metricdata.Sum[int64]:
		return numberSize(&d.DataPoints[n])
	case metricdata.Sum[float64]:
		return numberSize(&d.DataPoints[n])
	case metricdata.Histogram[int64]:
		return histogramSize(&d.DataPoints[n])
	case metricdata.Histogram[float64]:
		return histogramSize(&d.DataPoints[n])
	case metricdata.ExponentialHistogram[int64]:
		return exponentialSize(&d.DataPoints[n])
	case metricdata.ExponentialHistogram[float64]:
		return exponentialSize(&d.DataPoints[n])
	case metricdata.Summary:
		p := &d.DataPoints[n]
		return 50 + setSize(&p.Attributes) + 20*len(p.QuantileValues)
	}
	return 0
}

func numberSize[N int64 | float64](p *metricdata.DataPoint[N]) int {
	return 40 + setSize(&p.Attributes) + exemplarsSize(p.Exemplars)
}

func histogramSize[N int64 | float64](p *metricdata.HistogramDataPoint[N]) int {
	return 90 + setSize(&p.Attributes) + 8*(len(p.Bounds)+len(p.BucketCounts)) + exemplarsSize(p.Exemplars)
}

func exponentialSize[N int64 | float64](p *metricdata.ExponentialHistogramDataPoint[N]) int {
	return 130 + setSize(&p.Attributes) + 10*(len(p.PositiveBucket.Counts)+len(p.NegativeBucket.Counts)) + exemplarsSize(p.Exemplars)
}

func exemplarsSize[N int64 | float64](exemplars []metricdata.Exemplar[N]) (size int) {
	for _, e := range exemplars {
		size += 60 + attributesSize(e.FilteredAttributes)
	}
	return size
}
