package generate

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// selectorList lists all vector selectors of the rules, one a line. A test sends them to a real Prometheus,
// to see whether each matches a series. An a|b becomes two selectors, because b could match nothing.
func selectorList(d dialect, desired string) (string, error) {
	found := map[string]bool{}
	for _, g := range rules(d, desired) {
		for _, r := range g.rules {
			text, err := d.pretty(r)
			if err != nil {
				return "", err
			}
			expr, err := promQL.ParseExpr(text)
			if err != nil {
				return "", err
			}
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				if v, ok := n.(*parser.VectorSelector); ok {
					for _, matchers := range alternatives(v.LabelMatchers) {
						found[(&parser.VectorSelector{Name: v.Name, LabelMatchers: matchers}).String()] = true
					}
				}
				return nil
			})
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(found)), "\n") + "\n", nil
}

// alternatives returns the matchers with one value for each a|b.
func alternatives(matchers []*labels.Matcher) (all [][]*labels.Matcher) {
	all = [][]*labels.Matcher{nil}
	for _, m := range matchers {
		choice := []*labels.Matcher{m}
		if m.Type == labels.MatchRegexp && len(m.SetMatches()) > 0 {
			choice = nil
			for _, value := range m.SetMatches() {
				choice = append(choice, labels.MustNewMatcher(labels.MatchEqual, m.Name, value))
			}
		}
		var next [][]*labels.Matcher
		for _, before := range all {
			for _, c := range choice {
				next = append(next, append(slices.Clone(before), c))
			}
		}
		all = next
	}
	return all
}
