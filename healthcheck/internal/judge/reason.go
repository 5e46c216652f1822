package judge

import (
	"fmt"
	"math"
	"strings"

	"github.com/otelhealth/otelhealth/healthcheck/internal/evidence"
	"github.com/otelhealth/otelhealth/healthcheck/internal/query"
	"github.com/otelhealth/otelhealth/healthcheck/internal/text"
)

const maxGroup = 64 // bytes of a group in a reason

// crossing writes "95 of at most 80 (queue.name=jobs)".
func crossing(i *query.Indicator, m *evidence.Measure, unit string) string {
	return quantity(i, m, unit) + limit(m.Crossed, i.IsShare()) + group(m)
}

// group writes " (queue.name=jobs)", or nothing.
func group(m *evidence.Measure) string {
	if m.Group.Len() == 0 {
		return ""
	}
	return " (" + text.Shorten(strings.ToValidUTF8(evidence.GroupName(m.Group), "?"), maxGroup) + ")"
}

// quantity writes "p99 between 0.75 and 1 s" or "95".
func quantity(i *query.Indicator, m *evidence.Measure, unit string) string {
	s := text.Number(m.Value)
	switch {
	case i.IsShare():
		return text.Number(m.Value*100) + " %"
	case i.Kind == query.KindQuantile:
		s = "p" + text.Number(i.Quantile*100) + " " + between(max(m.Low, m.Crossed.Value), m.High)
	}
	return s + unitAfter(unit)
}

// doubt writes "can't tell: between 1 and 3 % of at most 2 %; 12 measurements went to the overflow
// series (cardinality limit)".
func doubt(read *evidence.Reading, m *evidence.Measure) string {
	in, d := &read.Rule.Indicator, m.Doubt
	low, high, unit := text.Number(d.Low), text.Number(d.High), unitAfter(read.Unit)
	if in.IsShare() || in.Kind == query.KindQuantile {
		low, high, unit = text.Number(d.Low*100), text.Number(d.High*100), " %"
	}
	s := fmt.Sprintf("can't tell: between %s and %s", low, high+unit)
	if low == high {
		s = fmt.Sprintf("can't tell: perhaps too few events, %s", high+unit)
	}
	if in.Kind == query.KindQuantile { // the share over its limit is compared
		s += fmt.Sprintf(" are over %s, and p%s allows %s", text.Number(d.Bound.Value)+unitAfter(read.Unit), text.Number(in.Quantile*100), text.Number((1-in.Quantile)*100)+" %")
	} else {
		s += limit(d.Bound, in.IsShare())
	}
	s += group(m)
	switch {
	case read.Folded == 1:
		s += "; " + "1 measurement went to the overflow series (cardinality limit)"
	case read.Folded > 0:
		s += "; " + fmt.Sprintf("%s measurements went to the overflow series (cardinality limit)", text.Number(read.Folded))
	case read.Inexact != nil:
		s += "; " + read.Inexact.Problem
	}
	return s
}

// unitAfter is a unit after a number; empty for none and for annotations.
func unitAfter(unit string) string {
	if unit == "" || unit == "1" || unit[0] == '{' {
		return ""
	}
	return " " + unit
}

// between writes what a histogram knows of a quantile beyond a limit.
func between(low, high float64) string {
	if math.IsInf(high, 1) || high <= low {
		return "over " + text.Number(low)
	}
	return "between " + text.Number(low) + " and " + text.Number(high)
}

// limit writes " of at most 80", for a share " of at most 5 %", and for a limit that only warns ",
// warns above 50".
func limit(b *query.Bound, share bool) string {
	v := text.Number(b.Value)
	if share {
		v = text.Number(b.Value*100) + " %"
	}
	switch b.Edge {
	case query.MaxWarn:
		return ", warns above " + v
	case query.MinWarn:
		return ", warns below " + v
	case query.MinFail:
		return " of at least " + v
	default:
		return " of at most " + v
	}
}
