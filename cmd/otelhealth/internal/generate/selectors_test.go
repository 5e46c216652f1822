package generate

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestAlternatives: each value becomes its own selector. Other patterns stay.
func TestAlternatives(t *testing.T) {
	for text, want := range map[string]string{
		`x`:                                `[[__name__="x"]]`,
		`x{a="b",c=~"5.."}`:                `[[a="b" c=~"5.." __name__="x"]]`,
		`x{a!~"b|c"}`:                      `[[a!~"b|c" __name__="x"]]`,
		`x{a=~"b|c",d=~"e|f",g!="h",k=""}`: `[[a="b" d="e" g!="h" k="" __name__="x"] [a="b" d="f" g!="h" k="" __name__="x"] [a="c" d="e" g!="h" k="" __name__="x"] [a="c" d="f" g!="h" k="" __name__="x"]]`,
	} {
		expr, err := promQL.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(alternatives(expr.(*parser.VectorSelector).LabelMatchers)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
