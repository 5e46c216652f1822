package history

import (
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// gathered is one metric of one scope. Its memory is used again for each collection.
type gathered struct {
	metric  *metric
	form    form
	scope   instrumentation.Scope
	id      string
	fresh   int  // samples of this collection
	counted bool // an earlier collection had it

	points []metricdata.DataPoint[float64] // of gauges and counters
	native []metricdata.ExponentialHistogramDataPoint[float64]
	custom []customPoint // of native histograms with boundaries of their own

	groups    map[string]*group // of a classic histogram
	order     []*group
	bounds    *[]float64 // boundaries that its groups have in common
	was       int        // value of fresh in the last collection with the metric
	explicit  []metricdata.HistogramDataPoint[float64]
	isCustom  bool
	customary []float64 // boundaries of the custom ones so far
}

type customPoint struct {
	t  *track
	at int64
	h  *native
}

func (g *gathered) begin() {
	if g.fresh > 0 {
		g.was, g.counted = g.fresh, true
	}
	g.fresh = 0
	g.points, g.native, g.custom, g.explicit = g.points[:0], g.native[:0], g.custom[:0], g.explicit[:0]
}

// know learns the boundaries of custom buckets, before their samples are read. If guessed is set, only the
// boundaries next to events are known. Then one histogram may look exponential and the next one custom.
func (g *gathered) know(s *series, guessed bool) {
	list, is := s.samples.(*listed)
	if !is || g.form == classic {
		return
	}
	for _, one := range list.rest {
		if one.native != nil && one.native.custom != nil {
			g.isCustom = true
		}
	}
	if !g.isCustom {
		return
	}
	for n := range list.rest {
		one := &list.rest[n]
		if one.native == nil {
			continue
		}
		if guessed && one.native.custom == nil {
			if h, err := fromCustom(one.native.count, one.native.json); err == nil {
				one.native = h
			}
		}
		for _, b := range one.native.custom {
			if at, has := slices.BinarySearch(g.customary, b); !has {
				g.customary = slices.Insert(slices.Clone(g.customary), at, b)
			}
		}
	}
}

// takeNative takes a native histogram.
func (g *gathered) takeNative(t *track) {
	g.fresh++
	h := t.now.native
	if h.custom != nil {
		g.custom = append(g.custom, customPoint{t, t.now.t, h})
		return
	}
	p := metricdata.ExponentialHistogramDataPoint[float64]{
		Attributes: t.attrs, Time: millis(t.now.t), Count: whole(h.count), Scale: int32(h.schema), ZeroCount: whole(h.zero), ZeroThreshold: h.width,
		PositiveBucket: metricdata.ExponentialBucket{Offset: int32(h.positive.first), Counts: wholes(h.positive.counts)},
		NegativeBucket: metricdata.ExponentialBucket{Offset: int32(h.negative.first), Counts: wholes(h.negative.counts)},
	}
	if len(h.positive.counts) == 0 && len(h.negative.counts) == 0 {
		p.Scale = emptyScale
	}
	g.native = append(g.native, p)
}

// emptyScale is the scale of a histogram without buckets. It is the finest scale, so it makes no other
// histogram coarser.
const emptyScale = 20

func whole(v float64) uint64 {
	if !(v > 0) {
		return 0
	}
	return uint64(math.Round(v))
}

func wholes(all []float64) []uint64 {
	out := make([]uint64, len(all))
	for n, v := range all {
		out[n] = whole(v)
	}
	return out
}

// data is the metric of this collection; nil if it is not in it.
func (g *gathered) data(number int64, at time.Time) metricdata.Aggregation {
	const cumulative = metricdata.CumulativeTemporality
	switch {
	case g.fresh == 0 || g.metric.verdict() || g.metric.Metric == processStart:
		return nil
	case g.form == classic:
		if g.common(number, at); len(g.explicit) == 0 {
			return nil
		}
		return metricdata.Histogram[float64]{DataPoints: g.explicit, Temporality: cumulative}
	case len(g.custom) > 0:
		for _, p := range g.custom {
			counts := p.h.explicit(g.customary, nil)
			g.explicit = append(g.explicit, metricdata.HistogramDataPoint[float64]{
				Attributes: p.t.attrs, Time: millis(p.at), Count: sum(counts), Bounds: g.customary, BucketCounts: counts})
		}
		return metricdata.Histogram[float64]{DataPoints: g.explicit, Temporality: cumulative}
	case len(g.native) > 0:
		return metricdata.ExponentialHistogram[float64]{DataPoints: g.native, Temporality: cumulative}
	case len(g.points) == 0:
		return nil
	case g.metric.Kind == Counter:
		return metricdata.Sum[float64]{DataPoints: g.points, Temporality: cumulative, IsMonotonic: true}
	}
	return metricdata.Sum[float64]{DataPoints: g.points, Temporality: cumulative} // a gauge must have one series
}

func sum(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// common makes the points of a classic histogram between the boundaries that all its series have.
func (g *gathered) common(number int64, at time.Time) {
	if g.fresh == g.was && g.make(number, at) {
		return
	}
	var bounds []float64
	first := true
	for _, s := range g.order {
		if !s.complete(number) {
			continue
		}
		has := func(edge float64) bool {
			for _, b := range s.buckets {
				if b.edge == edge {
					return b.at == number
				}
			}
			return false
		}
		if first {
			first = false
			for _, b := range s.buckets {
				if b.at == number && b.edge <= maxEdge {
					bounds = append(bounds, b.edge)
				}
			}
			continue
		}
		bounds = slices.DeleteFunc(bounds, func(e float64) bool { return !has(e) })
	}
	if !slices.Equal(bounds, *g.bounds) {
		g.bounds = &bounds
	}
	g.make(number, at)
}

// complete reports whether the series has a count of all in this collection.
func (s *group) complete(number int64) bool {
	n := len(s.buckets)
	return n > 0 && s.buckets[n-1].edge > maxEdge && s.buckets[n-1].at == number
}

// make makes the points. It reports false if a series lacks a boundary.
func (g *gathered) make(number int64, at time.Time) bool {
	g.explicit = g.explicit[:0]
	for _, s := range g.order {
		if !s.complete(number) {
			continue
		}
		if !s.pick(g.bounds, number) {
			return false
		}
		s.counts = s.counts[:0]
		before, torn := 0.0, false
		for _, b := range s.picks {
			torn = torn || !(b.value >= before)
			s.counts = append(s.counts, whole(b.value-before))
			before = b.value
		}
		if torn {
			continue // read while it was written: the growth counts next time
		}
		g.explicit = append(g.explicit, metricdata.HistogramDataPoint[float64]{
			Attributes: s.attrs, Time: at, Count: whole(before), Bounds: *g.bounds, BucketCounts: s.counts})
	}
	return true
}
