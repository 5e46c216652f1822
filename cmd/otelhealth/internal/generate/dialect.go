package generate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// dialect is the naming of a user's Prometheus or Mimir. Each query is written once, in the default naming. For
// other namings the parsed query is rewritten, so text that only looks like a name is never replaced.
type dialect struct {
	names    otlptranslator.TranslationStrategyOption
	group    []string // labels that separate the jobs of clusters, in every by and on
	native   bool     // histograms are native
	series   series
	settings settings
	pod      string // the label with the pod's name, if it has another name

	request    requestNames // of a service with its own histogram of requests
	ofRequests bool         // the label of the status code is that histogram's

	selector []*labels.Matcher // of the services' series, such as those of a team
}

// placeholders are Grafana's variables in the place of PromQL durations.
var placeholders = [][2]string{ // a longer name first
	{"$__rate_interval", "7d1h1m1s"},
	{"$__range", "7d2h2m2s"},
	{"$__interval_ms", "7030303"},
	{"$__interval", "7d3h3m3s"},
}

var promQL = parser.NewParser(parser.Options{})

// query rewrites a query of the default dialect.
func (d dialect) query(q string) (string, error) {
	expr, err := parse(q)
	if err != nil {
		return "", err
	}
	if err := d.check(expr); err != nil {
		return "", fmt.Errorf("%s: %w", q, err)
	}
	expr, err = d.rewrite(expr)
	if err != nil {
		return "", fmt.Errorf("%s: %w", q, err)
	}
	return restore(expr.String()), nil
}

func parse(q string) (parser.Expr, error) {
	text := q
	for _, p := range placeholders {
		text = strings.ReplaceAll(text, p[0], p[1])
	}
	expr, err := promQL.ParseExpr(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	return expr, nil
}

func restore(q string) string {
	for _, p := range placeholders {
		q = strings.ReplaceAll(q, p[1], p[0])
	}
	return q
}

// check refuses unknown metrics, unknown labels, and functions that don't suit the metric's kind.
func (d dialect) check(expr parser.Expr) error {
	var problems []string
	parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok || strings.Contains(v.Name, ":") { // a recording rule
			return nil
		}
		kind, known := d.series.kind(v.Name)
		if !known {
			problems = append(problems, fmt.Sprintf("nothing emits %q", v.Name))
			return nil
		}
		for _, m := range v.LabelMatchers {
			if !d.series.has(v.Name, m.Name) && !slices.Contains(d.group, m.Name) {
				problems = append(problems, fmt.Sprintf("%s has no label %s", v.Name, m.Name))
			}
		}
		for n := len(path) - 1; n >= 0; n-- {
			call, ok := path[n].(*parser.Call)
			if !ok {
				continue
			}
			counters := []string{"rate", "increase", "irate", "resets"}
			switch counts := slices.Contains(counters, call.Func.Name); {
			case counts && kind != "counter":
				problems = append(problems, fmt.Sprintf("%s of %s, but that is not a counter", call.Func.Name, v.Name))
			case !counts && kind == "counter" && slices.Contains([]string{"delta", "deriv", "predict_linear", "avg_over_time"}, call.Func.Name):
				problems = append(problems, fmt.Sprintf("%s of %s, but that is a counter", call.Func.Name, v.Name))
			}
			break
		}
		return nil
	})
	if len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	return nil
}

func (d dialect) rewrite(expr parser.Expr) (parser.Expr, error) {
	var first error
	renamed := func(labels []string, of ...parser.Expr) []string { // before the names in of change
		s, err := d.scoped(strings.Join(labels, " "), of...)
		if err != nil && first == nil {
			first = err
		}
		return s.labels(labels)
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			if !n.Without && (len(n.Grouping) > 0 || len(d.group) > 0) {
				n.Grouping = renamed(d.grouped(n.Grouping), n.Expr)
			}
		case *parser.BinaryExpr:
			if m := n.VectorMatching; m != nil && m.On {
				one := n.RHS // the side from which include takes its labels
				if m.Card == parser.CardOneToMany {
					one = n.LHS
				}
				m.MatchingLabels = renamed(d.grouped(m.MatchingLabels), n.LHS, n.RHS)
				m.Include = renamed(m.Include, one)
			}
		case *parser.Call:
			if n.Func.Name == "label_replace" { // its third argument is a value
				for _, arg := range []int{1, 3} {
					l := n.Args[arg].(*parser.StringLiteral)
					l.Val = renamed([]string{l.Val}, n.Args[0])[0]
				}
			}
		case *parser.VectorSelector:
			_, _, own := d.series.of(n.Name)
			if err := d.rename(n); err != nil && first == nil {
				first = err
			}
			if own || n.Name == "target_info" {
				n.LabelMatchers = append(n.LabelMatchers, d.selector...)
			}
		}
		return nil
	})
	return expr, first
}

// grouped adds the group's labels to every by and on with a job.
func (d dialect) grouped(by []string) []string {
	out := slices.Clone(by)
	if !slices.Contains(by, "job") {
		return out
	}
	for n, l := range d.group {
		if !slices.Contains(out, l) {
			out = slices.Insert(out, n, l)
		}
	}
	return out
}

// by returns "by" with the group's labels, for an aggregation over all jobs.
func (d dialect) by() string { return "by " + d.groups() }

// on returns "on" with the group's labels, for a match over all jobs.
func (d dialect) on() string { return "on " + d.groups() }

func (d dialect) groups() string {
	var quoted []string
	for _, l := range d.group {
		quoted = append(quoted, strconv.Quote(l)) // a name may have dots
	}
	return "(" + strings.Join(quoted, ", ") + ")"
}

// reference is a label in a template.
func reference(label string) string {
	if model.LegacyValidation.IsValidLabelName(label) {
		return "$labels." + label
	}
	return fmt.Sprintf("(index $labels %q)", label)
}

func (d dialect) labels(list []string) []string {
	out := slices.Clone(list)
	for n, l := range out {
		out[n] = d.label(l)
	}
	return out
}

func (d dialect) label(l string) string {
	if l == "k8s_pod_name" && d.pod != "" {
		return d.pod
	}
	if l == statusCode && d.ofRequests {
		return d.request.status
	}
	if otel, ok := d.series.labels[l]; ok && !d.names.ShouldEscape() {
		return otel
	}
	return l
}

func (d dialect) rename(v *parser.VectorSelector) error {
	i, part, ok := d.series.of(v.Name)
	if ok {
		name, err := d.stored(i)
		if err != nil {
			return err
		}
		v.Name = name + part
		d.ofRequests = i.Name == requestDuration && d.request.metric != ""
	} else if _, other := foreign[v.Name]; other && !d.names.ShouldAddSuffixes() { // Prometheus translates the collector's metrics too
		v.Name = strings.TrimSuffix(strings.TrimSuffix(v.Name, "_total"), "_seconds")
	}
	for n, m := range v.LabelMatchers {
		value := m.Value
		if m.Name == model.MetricNameLabel {
			value = v.Name
		}
		changed, err := labels.NewMatcher(m.Type, d.label(m.Name), value)
		if err != nil {
			return err
		}
		v.LabelMatchers[n] = changed
	}
	if !model.LegacyValidation.IsValidMetricName(v.Name) {
		v.Name = "" // the matcher of __name__ has the name; an unquoted name would not parse
	}
	return nil
}

// duration formats a duration as Prometheus does.
func duration(d time.Duration) string { return model.Duration(d).String() }
