package evidence

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
)

// amounts are the cumulative numbers of one group of series: one number for a
// gauge or counter, the bucket counts for a histogram.
type amounts []float64

// group is the sum of the series that share the attributes Per names.
type group struct {
	attrs  attribute.Set
	amount amounts
	series int
}

// gathered is the data of an indicator's metric, in groups.
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

// gather sums the matching series of one metric into groups. Errors name the instrument. Malformed
// data is an error, and never a panic.
func gather(i *query.Indicator, c Catalog) (gathered, error) {
	g := gathered{groups: map[attribute.Distinct]*group{}}
	var first shape
	for n, m := range c[i.Metric] {
		if m.Data == nil && m.Description != "" { // the source gives the reason there
			return g, fmt.Errorf("%s %s", i.Metric, m.Description)
		}
		kind, points, err := Points(m.Data)
		if err != nil {
			return g, fmt.Errorf("%s: %w", i.Metric, err)
		}
		if sh := (shape{kind, m.Unit}); n == 0 {
			first = sh
		} else if sh != first {
			return g, fmt.Errorf("%s exists twice: as %s in %q and as %s in %q", i.Metric, first.kind, first.unit, sh.kind, sh.unit)
		}
		if err := canRead(i, kind); err != nil {
			return g, err
		}
		g.kind, g.unit = kind, m.Unit
		for _, p := range points {
			if err := g.add(i, p); err != nil {
				return g, fmt.Errorf("%s: %w", i.Metric, err)
			}
		}
	}
	return g, nil
}

// canRead returns an error if the indicator can't read this kind of instrument.
func canRead(i *query.Indicator, kind string) error {
	ok := false
	switch i.Kind {
	case query.KindLast, query.KindTimeSince:
		ok = kind == "gauge" || kind == "up-down counter"
	case query.KindIncrease:
		ok = kind == "counter" || kind == "histogram" || kind == "exponential histogram"
	case query.KindShareAbove, query.KindQuantile:
		ok = kind == "histogram"
	}
	if !ok {
		return fmt.Errorf("%s is of kind %s: write rule.%s", i.Metric, kind, readerOf(kind))
	}
	return nil
}

// readerOf names the indicators that read a kind of instrument.
func readerOf(kind string) string {
	return map[string]string{
		"gauge": "Last or TimeSince", "up-down counter": "Last", "counter": "Increase",
		"histogram": "Quantile, ShareAbove or Increase", "exponential histogram": "Increase",
	}[kind]
}

func (g *gathered) add(i *query.Indicator, p series) error {
	if !query.Finite(p.Value) {
		return fmt.Errorf("the value is %v", p.Value)
	}
	if v, ok := p.Attrs.Value(overflowKey); ok && v.AsBool() && i.Filtered() {
		if !i.Windowed() {
			return fmt.Errorf("series were folded into the overflow series (cardinality limit)")
		}
		g.overflow += p.Value
		return nil
	}
	if !keeps(i, p.Attrs) {
		return nil
	}
	attrs := groupOf(i, p.Attrs)
	sum, seen := g.groups[attrs.Equivalent()]
	if !seen {
		sum = &group{attrs: attrs, amount: amounts{0}}
		g.groups[attrs.Equivalent()] = sum
	}
	sum.series++
	switch i.Kind {
	case query.KindLast, query.KindTimeSince:
		if seen {
			return fmt.Errorf("more than one series matches: narrow it with Where or judge each with Per")
		}
		sum.amount[0] = p.Value
	case query.KindIncrease:
		if p.Value < 0 {
			return fmt.Errorf("the count is negative: %v", p.Value)
		}
		sum.amount[0] += p.Value
	default:
		if len(p.counts) != len(p.bounds)+1 || !slices.IsSorted(p.bounds) || slices.ContainsFunc(p.bounds, infinite) {
			return fmt.Errorf("the histogram is malformed: %d counts for %d bounds", len(p.counts), len(p.bounds))
		}
		if g.bounds == nil {
			g.bounds = append([]float64{}, p.bounds...) // a copy, because the SDK reuses the collection; never nil
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

// gatherRatio gathers both sides. A group without a numerator has had no such events, so it is
// zero. A gauge without a value is not zero.
func gatherRatio(i *query.Indicator, c Catalog) (gathered, error) {
	side := func(in *query.Indicator) (gathered, error) {
		s := *in
		s.GroupBy = append(s.GroupBy[:len(s.GroupBy):len(s.GroupBy)], i.GroupBy...)
		s.Matchers = append(s.Matchers[:len(s.Matchers):len(s.Matchers)], i.Matchers...)
		return gather(&s, c)
	}
	num, err1 := side(i.Num)
	den, err2 := side(i.Den)
	out := gathered{groups: map[attribute.Distinct]*group{}, kind: den.kind, unit: den.unit, overflow: math.Max(num.overflow, den.overflow)}
	for key, d := range den.groups {
		n, series := 0.0, d.series
		if v, ok := num.groups[key]; ok {
			n, series = v.amount[0], series+v.series
		} else if i.Num.Kind == query.KindLast {
			continue
		}
		out.groups[key] = &group{d.attrs, amounts{n, d.amount[0]}, series}
	}
	return out, errors.Join(err1, err2)
}
