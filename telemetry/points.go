package telemetry

import (
	"context"
	"slices"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// textMetrics exports metrics with valid texts.
type textMetrics struct {
	sdkmetric.Exporter
	outcome *outcome
}

func (x textMetrics) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	if !validMetrics(rm) {
		var m mender
		rm = m.metrics(rm)
		x.outcome.told(&m)
	}
	return x.Exporter.Export(ctx, rm)
}

func validMetrics(rm *metricdata.ResourceMetrics) bool {
	if !validSet(rm.Resource.Set()) {
		return false
	}
	for s := range rm.ScopeMetrics {
		if !validScope(&rm.ScopeMetrics[s].Scope) {
			return false
		}
		for n := range rm.ScopeMetrics[s].Metrics {
			one := &rm.ScopeMetrics[s].Metrics[n]
			if !utf8.ValidString(one.Name) || !utf8.ValidString(one.Description) || !utf8.ValidString(one.Unit) || !validData(one.Data) {
				return false
			}
		}
	}
	return true
}

func (m *mender) metrics(rm *metricdata.ResourceMetrics) *metricdata.ResourceMetrics {
	mended := &metricdata.ResourceMetrics{Resource: m.resource(rm.Resource), ScopeMetrics: slices.Clone(rm.ScopeMetrics)}
	for s := range mended.ScopeMetrics {
		sm := &mended.ScopeMetrics[s]
		sm.Scope, sm.Metrics = m.scope(sm.Scope), slices.Clone(sm.Metrics)
		for n := range sm.Metrics {
			one := &sm.Metrics[n]
			of := "metric " + one.Name
			one.Name, one.Description, one.Unit = m.text(one.Name, of), m.text(one.Description, of), m.text(one.Unit, of)
			if !validData(one.Data) {
				one.Data = m.data(one.Data, of+", ")
			}
		}
	}
	return mended
}

func validData(data metricdata.Aggregation) bool {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return validNumbers(d.DataPoints)
	case metricdata.Gauge[float64]:
		return validNumbers(d.DataPoints)
	case metricdata.Sum[int64]:
		return validNumbers(d.DataPoints)
	case metricdata.Sum[float64]:
		return validNumbers(d.DataPoints)
	case metricdata.Histogram[int64]:
		return validHistograms(d.DataPoints)
	case metricdata.Histogram[float64]:
		return validHistograms(d.DataPoints)
	case metricdata.ExponentialHistogram[int64]:
		return validExponentials(d.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		return validExponentials(d.DataPoints)
	case metricdata.Summary:
		for n := range d.DataPoints {
			if !validSet(&d.DataPoints[n].Attributes) {
				return false
			}
		}
	}
	return true
}

func validNumbers[N int64 | float64](points []metricdata.DataPoint[N]) bool {
	for n := range points {
		if !validSet(&points[n].Attributes) || !validExemplars(points[n].Exemplars) {
			return false
		}
	}
	return true
}

func validHistograms[N int64 | float64](points []metricdata.HistogramDataPoint[N]) bool {
	for n := range points {
		if !validSet(&points[n].Attributes) || !validExemplars(points[n].Exemplars) {
			return false
		}
	}
	return true
}

func validExponentials[N int64 | float64](points []metricdata.ExponentialHistogramDataPoint[N]) bool {
	for n := range points {
		if !validSet(&points[n].Attributes) || !validExemplars(points[n].Exemplars) {
			return false
		}
	}
	return true
}

func validExemplars[N int64 | float64](exemplars []metricdata.Exemplar[N]) bool {
	for n := range exemplars {
		if !validAttributes(exemplars[n].FilteredAttributes) {
			return false
		}
	}
	return true
}

func (m *mender) data(data metricdata.Aggregation, of string) metricdata.Aggregation {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		d.DataPoints = mendNumbers(m, d.DataPoints, of, greater)
		return d
	case metricdata.Gauge[float64]:
		d.DataPoints = mendNumbers(m, d.DataPoints, of, greater)
		return d
	case metricdata.Sum[int64]:
		d.DataPoints = mendNumbers(m, d.DataPoints, of, sum)
		return d
	case metricdata.Sum[float64]:
		d.DataPoints = mendNumbers(m, d.DataPoints, of, sum)
		return d
	case metricdata.Histogram[int64]:
		d.DataPoints = mendHistograms(m, d.DataPoints, of)
		return d
	case metricdata.Histogram[float64]:
		d.DataPoints = mendHistograms(m, d.DataPoints, of)
		return d
	case metricdata.ExponentialHistogram[int64]:
		d.DataPoints = mendExponentials(m, d.DataPoints, of)
		return d
	case metricdata.ExponentialHistogram[float64]:
		d.DataPoints = mendExponentials(m, d.DataPoints, of)
		return d
	case metricdata.Summary:
		d.DataPoints = distinct(d.DataPoints, func(p *metricdata.SummaryDataPoint) attribute.Distinct {
			p.Attributes = m.set(p.Attributes, of)
			return p.Attributes.Equivalent()
		}, func(a, b *metricdata.SummaryDataPoint) {
			if b.Count > a.Count {
				*a = *b
			}
		})
		return d
	}
	return data
}

// distinct mends copies of points. Two series with the same mended attributes become one, because a backend
// refuses the second. The result does not depend on the order of the points.
func distinct[P any](points []P, mend func(*P) attribute.Distinct, join func(a, b *P)) []P {
	mended := make([]P, 0, len(points))
	at := make(map[attribute.Distinct]int, len(points))
	for _, p := range points {
		set := mend(&p)
		if n, known := at[set]; known {
			join(&mended[n], &p)
			continue
		}
		at[set] = len(mended)
		mended = append(mended, p)
	}
	return mended
}

func sum[N int64 | float64](a, b N) N     { return a + b }
func greater[N int64 | float64](a, b N) N { return max(a, b) }

func mendNumbers[N int64 | float64](m *mender, points []metricdata.DataPoint[N], of string, join func(a, b N) N) []metricdata.DataPoint[N] {
	return distinct(points, func(p *metricdata.DataPoint[N]) attribute.Distinct {
		p.Attributes, p.Exemplars = m.set(p.Attributes, of), mendExemplars(m, p.Exemplars, of)
		return p.Attributes.Equivalent()
	}, func(a, b *metricdata.DataPoint[N]) {
		a.Value = join(a.Value, b.Value)
		if b.StartTime.Before(a.StartTime) {
			a.StartTime = b.StartTime
		}
	})
}

func mendHistograms[N int64 | float64](m *mender, points []metricdata.HistogramDataPoint[N], of string) []metricdata.HistogramDataPoint[N] {
	return distinct(points, func(p *metricdata.HistogramDataPoint[N]) attribute.Distinct {
		p.Attributes, p.Exemplars = m.set(p.Attributes, of), mendExemplars(m, p.Exemplars, of)
		return p.Attributes.Equivalent()
	}, addHistogram)
}

// addHistogram adds b to a. If their bounds differ, that is not possible, so the larger one stays.
func addHistogram[N int64 | float64](a, b *metricdata.HistogramDataPoint[N]) {
	if !slices.Equal(a.Bounds, b.Bounds) || len(a.BucketCounts) != len(b.BucketCounts) {
		if b.Count > a.Count {
			*a = *b
		}
		return
	}
	a.BucketCounts = slices.Clone(a.BucketCounts)
	for n, count := range b.BucketCounts {
		a.BucketCounts[n] += count
	}
	a.Count, a.Sum = a.Count+b.Count, a.Sum+b.Sum
	a.Min, a.Max = extreme(a.Min, b.Min, func(a, b N) N { return min(a, b) }), extreme(a.Max, b.Max, greater)
	if b.StartTime.Before(a.StartTime) {
		a.StartTime = b.StartTime
	}
}

func extreme[N int64 | float64](a, b metricdata.Extrema[N], of func(a, b N) N) metricdata.Extrema[N] {
	x, hasA := a.Value()
	y, hasB := b.Value()
	switch {
	case !hasA:
		return b
	case !hasB:
		return a
	}
	return metricdata.NewExtrema(of(x, y))
}

// mendExponentials keeps the larger of two series with the same mended attributes, because their scales may
// differ.
func mendExponentials[N int64 | float64](m *mender, points []metricdata.ExponentialHistogramDataPoint[N], of string) []metricdata.ExponentialHistogramDataPoint[N] {
	return distinct(points, func(p *metricdata.ExponentialHistogramDataPoint[N]) attribute.Distinct {
		p.Attributes, p.Exemplars = m.set(p.Attributes, of), mendExemplars(m, p.Exemplars, of)
		return p.Attributes.Equivalent()
	}, func(a, b *metricdata.ExponentialHistogramDataPoint[N]) {
		if b.Count > a.Count {
			*a = *b
		}
	})
}

func mendExemplars[N int64 | float64](m *mender, exemplars []metricdata.Exemplar[N], of string) []metricdata.Exemplar[N] {
	if validExemplars(exemplars) {
		return exemplars
	}
	exemplars = slices.Clone(exemplars)
	for n := range exemplars {
		exemplars[n].FilteredAttributes = m.attributes(exemplars[n].FilteredAttributes, of+"exemplar, ")
	}
	return exemplars
}
