package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"go.opentelemetry.io/otel/attribute"
)

// level is the present value of one group of series.
type level struct {
	attrs   attribute.Set
	value   float64
	below   float64 // the denominator of a ratio
	first   attribute.Set
	series  int
	problem error // why it can't be judged
}

// levels are the groups of an indicator without a window.
type levels map[attribute.Distinct]*level

// metrics returns the metrics that an indicator reads, and their shape. An error names the
// instrument.
func metrics(i *query.Indicator, c Catalog) (read []Metric, is shape, err error) {
	read = c[i.Metric]
	if i.Source != "" {
		read = slices.DeleteFunc(slices.Clone(read), func(m Metric) bool { return m.Scope.Name != i.Source })
	}
	read = withoutTwins(read)
	for n, m := range read {
		if m.Data == nil && m.Description != "" { // the source has put the reason into Description
			return nil, is, fmt.Errorf("%s %s", i.Metric, m.Description)
		}
		kind, err := kindOf(m.Data)
		if err != nil {
			return nil, is, fmt.Errorf("%s: %w", i.Metric, err)
		}
		if sh := (shape{kind, m.Unit}); n == 0 {
			is = sh
		} else if sh != is {
			return nil, is, twice(i.Metric, is, sh, read[0].Scope.Name, m.Scope.Name)
		}
		if err := canRead(i, kind); err != nil {
			return nil, is, err
		}
	}
	return read, is, nil
}

// withoutTwins drops a second stream of a histogram. There are two if our view and one for exponential
// histograms apply to it. Both count the same measurements.
func withoutTwins(read []Metric) []Metric {
	explicit := func(m Metric) bool { kind, _ := kindOf(m.Data); return kind == "histogram" }
	twin := func(m Metric) bool {
		kind, _ := kindOf(m.Data)
		return kind == "exponential histogram" && slices.ContainsFunc(read, func(o Metric) bool { return explicit(o) && o.Scope.Name == m.Scope.Name && o.Unit == m.Unit })
	}
	if len(read) > 1 && slices.ContainsFunc(read, twin) {
		return slices.DeleteFunc(slices.Clone(read), twin)
	}
	return read
}

// twice returns the error of a name with two shapes.
func twice(metric string, a, b shape, scope, other string) error {
	if scope == other {
		return fmt.Errorf("%s exists twice: as %s in %q and as %s in %q", metric, a.kind, a.unit, b.kind, b.unit)
	}
	return fmt.Errorf("%s exists twice: add .Scope(%q) for the %s in %q, or .Scope(%q) for the %s in %q", metric, scope, a.kind, a.unit, other, b.kind, b.unit)
}

// canRead returns an error if the indicator can't read this kind of instrument.
func canRead(i *query.Indicator, kind string) error {
	ok := false
	switch i.Kind {
	case query.KindLast, query.KindTimeSince, query.KindTimeUntil:
		ok = kind == "gauge" || kind == "up-down counter"
	case query.KindIncrease:
		ok = kind == "counter" || kind == "histogram" || kind == "exponential histogram"
	case query.KindShareAbove, query.KindQuantile:
		ok = kind == "histogram" || kind == "exponential histogram"
	}
	if !ok {
		return fmt.Errorf("%s is of kind %s: write rule.%s", i.Metric, kind, readerOf(kind))
	}
	return nil
}

// readerOf names the indicators that read a kind of instrument.
func readerOf(kind string) string {
	return map[string]string{
		"gauge": "Last, TimeSince or TimeUntil", "up-down counter": "Last", "counter": "Increase",
		"histogram": "Quantile, ShareAbove or Increase", "exponential histogram": "Quantile, ShareAbove or Increase",
	}[kind]
}

// gather reads the present values of one metric, by group. hidden is the reason why some are missing.
// Malformed data is an error, and never a panic.
func gather(i *query.Indicator, c Catalog) (all levels, is shape, hidden string, err error) {
	all = levels{}
	read, is, err := metrics(i, c)
	for _, m := range read {
		each(m.Data, func(p *series) {
			if i.Filtered() && p.overflowed() {
				hidden = fmt.Sprintf("%s: series were folded into the overflow series (cardinality limit)", i.Metric)
			} else if keeps(i, p.Attrs) {
				all.add(i, is.kind, p)
			}
		})
	}
	return all, is, hidden, err
}

func (all levels) add(i *query.Indicator, kind string, p *series) {
	attrs := groupOf(i, p.Attrs)
	l := all[attrs.Equivalent()]
	if l == nil {
		l = &level{attrs: attrs, first: p.Attrs}
		all[attrs.Equivalent()] = l
	}
	l.series++
	switch {
	case !query.Finite(p.Value):
		l.problem = fmt.Errorf("%s: the value is %v", i.Metric, p.Value)
	case l.series == 1:
		l.value = p.Value
	case i.Merge == query.MergeMax:
		l.value = max(l.value, p.Value)
	case i.Merge == query.MergeMin:
		l.value = min(l.value, p.Value)
	case i.Merge == query.MergeSum, kind == "up-down counter" && i.Kind == query.KindLast: // OpenTelemetry defines it as additive
		l.value += p.Value
	case l.problem == nil:
		l.problem = ambiguous(i, l.first, p.Attrs)
	}
}

// ambiguous says how to choose between two series of a gauge.
func ambiguous(i *query.Indicator, a, b attribute.Set) error {
	merge := ""
	if i.Kind == query.KindLast {
		merge = " or add .Sum(), .Max() or .Min()"
	}
	for _, set := range [][2]attribute.Set{{a, b}, {b, a}} {
		for _, kv := range set[0].ToSlice() {
			if v, has := set[1].Value(kv.Key); !has || v != kv.Value {
				key := strings.ToValidUTF8(string(kv.Key), "?")
				return fmt.Errorf("%s: more than one series matches: judge each with Per: {%q}, choose with Where(%q, …)%s", i.Metric, key, key, merge)
			}
		}
	}
	return fmt.Errorf("%s: more than one series matches: choose with .Scope(…)%s", i.Metric, merge)
}

// gatherRatio reads both sides. A gauge without a value is not zero.
func gatherRatio(num, den *query.Indicator, c Catalog) (levels, shape, string, error) {
	above, _, hidden1, err1 := gather(num, c)
	out, is, hidden2, err2 := gather(den, c)
	for key, d := range out {
		n, ok := above[key]
		if !ok {
			delete(out, key)
			continue
		}
		d.value, d.below = n.value, d.value
		d.problem = errors.Join(d.problem, n.problem)
	}
	return out, is, cmp.Or(hidden1, hidden2), both(err1, err2)
}

// both joins the problems of the two sides of a ratio. If both sides read one metric, the problem appears
// once.
func both(errs ...error) error {
	if len(errs) == 2 && errs[0] != nil && errs[1] != nil && errs[0].Error() == errs[1].Error() {
		return errs[0]
	}
	return errors.Join(errs...)
}
