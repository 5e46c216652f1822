package healthcheck

import (
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// catalog is one collection, by metric name. The same name may come from several
// scopes.
type catalog map[string][]metricdata.Metrics

func newCatalog(rm *metricdata.ResourceMetrics) catalog {
	c := catalog{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			c[m.Name] = append(c[m.Name], m)
		}
	}
	return c
}

// amounts are the cumulative numbers of one group of series: one number for a
// gauge or counter, the bucket counts for a histogram.
type amounts []float64

// group is the sum of the series that share the attributes Per names.
type group struct {
	attrs  attribute.Set
	amount amounts
	series int
}

// gathered is what an indicator's metric holds, in groups.
type gathered struct {
	groups   map[attribute.Distinct]*group
	bounds   []float64 // of the histogram's buckets
	kind     string
	unit     string
	overflow float64 // cumulative measure of the overflow series
}

// overflowKey marks the series into which the SDK folds all series beyond its
// cardinality limit.
const overflowKey = attribute.Key("otel.metric.overflow")

// series is one data point, whatever its Go type.
type series struct {
	attrs  attribute.Set
	value  float64
	counts []uint64  // of a histogram
	bounds []float64 // of a histogram
}

// shape is what must not differ between the metrics that share a name.
type shape struct {
	kind string
	unit string
}

// gather sums the matching series of one metric into groups. Problems name the
// instrument; none of them is a panic, however malformed the data.
func (i *Indicator) gather(c catalog) (gathered, error) {
	g := gathered{groups: map[attribute.Distinct]*group{}}
	var first shape
	for n, m := range c[i.metric] {
		kind, points, err := read(m.Data)
		if err != nil {
			return g, fmt.Errorf("%s: %w", i.metric, err)
		}
		if sh := (shape{kind, m.Unit}); n == 0 {
			first = sh
		} else if sh != first {
			return g, fmt.Errorf("%s exists twice: as %s in %q and as %s in %q", i.metric, first.kind, first.unit, sh.kind, sh.unit)
		}
		if err := i.suits(kind); err != nil {
			return g, err
		}
		g.kind, g.unit = kind, m.Unit
		for _, p := range points {
			if err := g.add(i, p); err != nil {
				return g, fmt.Errorf("%s: %w", i.metric, err)
			}
		}
	}
	return g, nil
}

// suits reports whether the indicator can read this kind of instrument.
func (i *Indicator) suits(kind string) error {
	ok := false
	switch i.kind {
	case kindLast, kindAge:
		ok = kind == "gauge" || kind == "up-down counter"
	case kindIncrease:
		ok = kind == "counter" || kind == "histogram" || kind == "exponential histogram"
	case kindOver, kindQuantile:
		ok = kind == "histogram"
	}
	if !ok {
		return fmt.Errorf("%s is of kind %s, which this indicator can't read", i.metric, kind)
	}
	return nil
}

func (g *gathered) add(i *Indicator, p series) error {
	if !finite(p.value) {
		return fmt.Errorf("the value is %v", p.value)
	}
	if v, ok := p.attrs.Value(overflowKey); ok && v.AsBool() && i.filtered() {
		if !i.windowed() {
			return fmt.Errorf("series were folded into the overflow series (cardinality limit)")
		}
		g.overflow += p.value
		return nil
	}
	if !i.keeps(p.attrs) {
		return nil
	}
	attrs := i.group(p.attrs)
	sum, seen := g.groups[attrs.Equivalent()]
	if !seen {
		sum = &group{attrs: attrs, amount: amounts{0}}
		g.groups[attrs.Equivalent()] = sum
	}
	sum.series++
	switch i.kind {
	case kindLast, kindAge:
		if seen {
			return fmt.Errorf("more than one series matches: narrow it with Where or judge each with Per")
		}
		sum.amount[0] = p.value
	case kindIncrease:
		if p.value < 0 {
			return fmt.Errorf("the count is negative: %v", p.value)
		}
		sum.amount[0] += p.value
	default:
		if len(p.counts) != len(p.bounds)+1 || !slices.IsSorted(p.bounds) || slices.ContainsFunc(p.bounds, infinite) {
			return fmt.Errorf("the histogram is malformed: %d counts for %d bounds", len(p.counts), len(p.bounds))
		}
		if g.bounds == nil {
			g.bounds = append([]float64{}, p.bounds...) // the collection is lent, not given; none is not nil
		} else if !slices.Equal(g.bounds, p.bounds) {
			return fmt.Errorf("series have different bucket boundaries")
		}
		if !seen {
			sum.amount = make(amounts, len(p.counts))
		}
		for n, v := range p.counts {
			sum.amount[n] += float64(v)
		}
	}
	return nil
}

// read takes apart the data of one metric.
func read(data metricdata.Aggregation) (kind string, points []series, err error) {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return "gauge", plain(d.DataPoints), nil
	case metricdata.Gauge[float64]:
		return "gauge", plain(d.DataPoints), nil
	case metricdata.Sum[int64]:
		return sum(d)
	case metricdata.Sum[float64]:
		return sum(d)
	case metricdata.Histogram[int64]:
		return histogram(d)
	case metricdata.Histogram[float64]:
		return histogram(d)
	case metricdata.ExponentialHistogram[int64]:
		return exponential(d)
	case metricdata.ExponentialHistogram[float64]:
		return exponential(d)
	}
	return "", nil, fmt.Errorf("data of type %T can't be judged", data)
}

func plain[N int64 | float64](dps []metricdata.DataPoint[N]) []series {
	out := make([]series, len(dps))
	for i, p := range dps {
		out[i] = series{attrs: p.Attributes, value: float64(p.Value)}
	}
	return out
}

func sum[N int64 | float64](d metricdata.Sum[N]) (string, []series, error) {
	kind := "up-down counter"
	if d.IsMonotonic {
		kind = "counter"
	}
	return kind, plain(d.DataPoints), cumulative(d.Temporality)
}

func histogram[N int64 | float64](d metricdata.Histogram[N]) (string, []series, error) {
	out := make([]series, len(d.DataPoints))
	for i, p := range d.DataPoints {
		out[i] = series{attrs: p.Attributes, value: float64(p.Count), counts: p.BucketCounts, bounds: p.Bounds}
	}
	return "histogram", out, cumulative(d.Temporality)
}

func exponential[N int64 | float64](d metricdata.ExponentialHistogram[N]) (string, []series, error) {
	out := make([]series, len(d.DataPoints))
	for i, p := range d.DataPoints {
		out[i] = series{attrs: p.Attributes, value: float64(p.Count)}
	}
	return "exponential histogram", out, cumulative(d.Temporality)
}

func cumulative(t metricdata.Temporality) error {
	if t != metricdata.CumulativeTemporality {
		return errDelta
	}
	return nil
}

func infinite(v float64) bool { return !finite(v) }

var errDelta = fmt.Errorf("temporality is not cumulative: give Start a cumulative reader, such as the Prometheus exporter")
