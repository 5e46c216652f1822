package promhealth

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// aspect says which numbers of a family a rule reads.
type aspect int

const (
	whole aspect = iota
	count        // of the observations of a histogram or summary
	sum
)

// builder builds families from the series of one collector.
type builder struct {
	spec  *spec
	cache *cache
	now   time.Time
	names map[*prometheus.Desc]string // names that the collector has not described
	open  map[string]*open            // by the name in rules
	wrong string                      // why no family can be judged
}

// open is a family that is not complete yet.
type open struct {
	part
	kind       dto.MetricType
	numbers    []metricdata.DataPoint[float64]
	histograms []metricdata.HistogramDataPoint[float64]
	bounds     []float64 // of the last histogram; usually the same for all
	expected   int       // number of series, from the last time
	wrong      string    // why it can't be judged
}

func newBuilder(s *spec, c *cache) *builder {
	return &builder{spec: s, cache: c, now: time.Now(), names: map[*prometheus.Desc]string{}, open: map[string]*open{}}
}

// add takes one series.
func (b *builder) add(m prometheus.Metric) {
	desc := m.Desc()
	name, known := b.spec.names[desc]
	if !known {
		if name, known = b.names[desc]; !known {
			name = nameOf(textOf(desc))
			b.names[desc] = name
		}
	}
	parts := b.spec.parts[name]
	if len(parts) == 0 && name != "" {
		return
	}
	p := &dto.Metric{}
	err := m.Write(p)
	switch {
	case err != nil && name == "": // the error is about the whole collector
		b.wrong = failed
	case err != nil:
		for _, part := range parts {
			b.family(part).wrong = failed
		}
	default:
		b.put(parts, kindOfMetric(p), p)
	}
}

// gather takes the families of a Gatherer. After an error any of them may be incomplete.
func (b *builder) gather(g prometheus.Gatherer) {
	all, err := g.Gather()
	if err != nil {
		b.wrong = failed
	}
	for _, f := range all {
		parts := b.spec.parts[f.GetName()]
		for _, p := range f.GetMetric() {
			b.put(parts, kindOfMetric(p), p)
		}
	}
}

func (b *builder) family(p part) *open {
	o := b.open[p.name]
	if o == nil {
		o = &open{part: p, kind: -1, expected: b.cache.sizes[p.name]}
		b.open[p.name] = o
	}
	return o
}

func (b *builder) put(parts []part, kind dto.MetricType, p *dto.Metric) {
	if len(parts) == 0 {
		return
	}
	set := b.cache.of(p.Label, b.spec.labels)
	for _, part := range parts {
		o := b.family(part)
		if o.kind == -1 {
			o.kind = kind
		}
		if o.kind != kind {
			o.wrong = "has series of several kinds"
			continue
		}
		if o.aspect != whole {
			o.addOf(p, set, b.now)
		} else {
			o.add(p, set, b.now)
		}
	}
}

// families returns the complete families.
func (b *builder) families() map[string]metricdata.Metrics {
	all := make(map[string]metricdata.Metrics, len(b.open))
	for name, o := range b.open {
		b.cache.sizes[name] = max(len(o.numbers), len(o.histograms))
		if o.wrong != "" {
			all[name] = problem(name, o.wrong)
			continue
		}
		all[name] = metricdata.Metrics{Name: name, Unit: o.unit(), Data: o.data()}
	}
	if b.wrong != "" {
		for _, parts := range b.spec.parts {
			for _, p := range parts {
				all[p.name] = problem(p.name, b.wrong)
			}
		}
	}
	return all
}

// unit returns a unit that package query does not read from the name.
func (o *open) unit() string {
	switch {
	case o.aspect == count:
		return "1"
	case strings.HasSuffix(strings.TrimSuffix(o.name, "_total"), "_bytes"):
		return "By"
	}
	return ""
}

func (o *open) data() metricdata.Aggregation {
	switch {
	case o.aspect != whole || o.kind == dto.MetricType_COUNTER:
		return metricdata.Sum[float64]{DataPoints: o.numbers, IsMonotonic: true, Temporality: metricdata.CumulativeTemporality}
	case o.kind == dto.MetricType_HISTOGRAM:
		return metricdata.Histogram[float64]{DataPoints: o.histograms, Temporality: metricdata.CumulativeTemporality}
	}
	return metricdata.Gauge[float64]{DataPoints: o.numbers}
}

// addOf adds the count or the sum of a histogram or summary.
func (o *open) addOf(p *dto.Metric, set attribute.Set, now time.Time) {
	var n uint64
	var total float64
	var start time.Time
	switch o.kind {
	case dto.MetricType_HISTOGRAM:
		n, total, start = p.Histogram.GetSampleCount(), p.Histogram.GetSampleSum(), created(p.Histogram.GetCreatedTimestamp())
	case dto.MetricType_SUMMARY:
		n, total, start = p.Summary.GetSampleCount(), p.Summary.GetSampleSum(), created(p.Summary.GetCreatedTimestamp())
	default:
		o.wrong = "is neither of a histogram nor of a summary"
		return
	}
	if o.aspect == count {
		total = float64(n)
	}
	o.number(total, start, set, now)
}

func (o *open) number(v float64, start time.Time, set attribute.Set, now time.Time) {
	if o.numbers == nil {
		o.numbers = make([]metricdata.DataPoint[float64], 0, o.expected)
	}
	o.numbers = append(o.numbers, metricdata.DataPoint[float64]{Attributes: set, StartTime: start, Time: now, Value: v})
}

// add adds a series.
func (o *open) add(p *dto.Metric, set attribute.Set, now time.Time) {
	switch o.kind {
	case dto.MetricType_COUNTER:
		o.number(p.Counter.GetValue(), created(p.Counter.GetCreatedTimestamp()), set, now)
	case dto.MetricType_GAUGE:
		o.number(p.Gauge.GetValue(), time.Time{}, set, now)
	case dto.MetricType_UNTYPED:
		o.number(p.Untyped.GetValue(), time.Time{}, set, now)
	case dto.MetricType_SUMMARY:
		if len(p.Summary.GetQuantile()) == 0 {
			o.wrong = "is a summary without quantiles: read " + o.name + "_count"
		}
		for _, q := range p.Summary.GetQuantile() {
			if !math.IsNaN(q.GetValue()) { // NaN means that nothing was observed lately
				kv := attribute.String("quantile", strconv.FormatFloat(q.GetQuantile(), 'g', -1, 64))
				o.number(q.GetValue(), time.Time{}, attribute.NewSet(append(set.ToSlice(), kv)...), now)
			}
		}
	case dto.MetricType_HISTOGRAM:
		o.addHistogram(p.Histogram, set, now)
	}
}

func (o *open) addHistogram(h *dto.Histogram, set attribute.Set, now time.Time) {
	if h.SampleCountFloat != nil && h.GetSampleCountFloat() > 0 {
		o.wrong = "is a histogram whose counts are fractions"
		return
	}
	p := metricdata.HistogramDataPoint[float64]{
		Attributes: set, StartTime: created(h.GetCreatedTimestamp()), Time: now, Count: h.GetSampleCount(), Sum: h.GetSampleSum(),
	}
	if len(h.Bucket) == 0 && h.Schema != nil {
		p.Bounds, p.BucketCounts = o.limits, native(h, o.limits)
	} else {
		p.Bounds, p.BucketCounts = o.classic(h)
	}
	if o.histograms == nil {
		o.histograms = make([]metricdata.HistogramDataPoint[float64], 0, o.expected)
	}
	o.histograms = append(o.histograms, p)
}

// classic turns cumulative bucket counts into the counts of each bucket.
func (o *open) classic(h *dto.Histogram) (bounds []float64, counts []uint64) {
	buckets := h.Bucket
	if n := len(buckets); n > 0 && math.IsInf(buckets[n-1].GetUpperBound(), 1) {
		buckets = buckets[:n-1]
	}
	same := o.bounds != nil && len(o.bounds) == len(buckets)
	for i := 0; same && i < len(buckets); i++ {
		same = o.bounds[i] == buckets[i].GetUpperBound()
	}
	if !same {
		o.bounds = make([]float64, len(buckets))
		for i, b := range buckets {
			o.bounds[i] = b.GetUpperBound()
		}
	}
	counts = make([]uint64, len(buckets)+1)
	below := uint64(0)
	for i, b := range buckets {
		counts[i], below = b.GetCumulativeCount()-below, b.GetCumulativeCount()
	}
	counts[len(buckets)] = h.GetSampleCount() - below
	return o.bounds, counts
}

// created returns the start time of a series; zero if it is unknown.
func created(t interface {
	IsValid() bool
	AsTime() time.Time
}) time.Time {
	if !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

func kindOfMetric(m *dto.Metric) dto.MetricType {
	switch {
	case m.Counter != nil:
		return dto.MetricType_COUNTER
	case m.Gauge != nil:
		return dto.MetricType_GAUGE
	case m.Histogram != nil:
		return dto.MetricType_HISTOGRAM
	case m.Summary != nil:
		return dto.MetricType_SUMMARY
	}
	return dto.MetricType_UNTYPED
}
