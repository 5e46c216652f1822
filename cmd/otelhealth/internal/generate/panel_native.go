package generate

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// nativeHistograms rewrites a query on classic histograms for native ones. Its names are already the user's. A
// bucket series becomes the histogram itself. A count or a sum becomes a function of its rate.
func nativeHistograms(q string) (string, error) {
	expr, err := parse(q)
	if err != nil {
		return "", err
	}
	return restore(native(expr).String()), nil
}

func native(expr parser.Expr) parser.Expr {
	switch e := expr.(type) {
	case *parser.AggregateExpr:
		e.Expr = native(e.Expr)
		e.Grouping = slices.DeleteFunc(e.Grouping, func(l string) bool { return l == "le" })
	case *parser.ParenExpr:
		e.Expr = native(e.Expr)
	case *parser.UnaryExpr:
		e.Expr = native(e.Expr)
	case *parser.SubqueryExpr:
		e.Expr = native(e.Expr)
	case *parser.BinaryExpr:
		e.LHS, e.RHS = native(e.LHS), native(e.RHS)
	case *parser.Call:
		for n, arg := range e.Args {
			e.Args[n] = native(arg)
		}
		if e.Func.Name != "rate" && e.Func.Name != "increase" {
			break // a gauge may have a name such as x_count
		}
		if m, ok := e.Args[0].(*parser.MatrixSelector); ok {
			if part := histogramPart(m.VectorSelector.(*parser.VectorSelector)); part == "_count" || part == "_sum" {
				return &parser.Call{Func: parser.Functions["histogram"+part], Args: parser.Expressions{e}}
			}
		}
	}
	return expr
}

// histogramPart removes _bucket, _count or _sum from a selector's name, in each naming.
func histogramPart(v *parser.VectorSelector) (part string) {
	for n, m := range v.LabelMatchers {
		if m.Name != model.MetricNameLabel {
			continue
		}
		for _, p := range []string{"_bucket", "_count", "_sum"} {
			base, cut := strings.CutSuffix(m.Value, p)
			if !cut {
				continue
			}
			v.LabelMatchers[n] = labels.MustNewMatcher(m.Type, m.Name, base)
			if v.Name != "" {
				v.Name = base
			}
			part = p
		}
	}
	return part
}
